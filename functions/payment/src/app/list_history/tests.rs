use std::sync::Arc;
use std::time::Duration;

use kernel::Clock;
use tokio::sync::oneshot;

use super::*;
use crate::domain::Cursor;
use crate::domain::Direction::{In, Out, SelfTransfer};
use crate::domain::TransferId;
use crate::testing::{TestApp, TestUser, account, deposit, send, withdrawal};

type HistoryPage = Page<(Transfer, Direction)>;

impl TestApp {
    async fn history(&self, query: HistoryQuery) -> HistoryPage {
        list_history(&self.store, &query).await.unwrap()
    }
}

/// The first 100 entries of a user's history.
fn all_of(user: TestUser) -> HistoryQuery {
    HistoryQuery {
        owner: user.id,
        claims: user.claims,
        account: None,
        range: PageRange { limit: 100, ..PageRange::default() },
    }
}

/// A page of a user's history.
fn page_of(user: TestUser, after: Option<Cursor>, limit: usize) -> HistoryQuery {
    HistoryQuery { range: PageRange { after, limit, ..PageRange::default() }, ..all_of(user) }
}

fn ids(page: &HistoryPage) -> Vec<TransferId> {
    page.entries.iter().map(|(transfer, _)| transfer.id).collect()
}

#[tokio::test]
async fn history_lists_each_transfer_once_with_its_direction() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 0).await;
    app.open_debit(ada, "savings", 0).await;
    app.open_debit(bob, "bob", 0).await;
    app.move_money(ada, deposit("ada"), 100).await.unwrap();
    app.move_money(ada, send("ada", "savings"), 10).await.unwrap();
    app.move_money(ada, send("ada", "bob"), 20).await.unwrap();
    app.move_money(bob, send("bob", "ada"), 5).await.unwrap();
    app.move_money(bob, withdrawal("bob"), 1).await.unwrap();
    let seen = |page: HistoryPage| -> Vec<(i64, Direction)> {
        page.entries.into_iter().map(|(transfer, direction)| (transfer.amount.minor(), direction)).collect()
    };
    assert_eq!(seen(app.history(all_of(ada)).await), [(5, In), (20, Out), (10, SelfTransfer), (100, In)]);
    assert_eq!(seen(app.history(all_of(bob)).await), [(1, Out), (5, Out), (20, In)]);
    let savings = HistoryQuery { account: Some(account("savings")), ..all_of(ada) };
    assert_eq!(seen(app.history(savings).await), [(10, SelfTransfer)]);
}

#[tokio::test]
async fn pages_of_any_size_cover_the_whole_history_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(ada, "savings", 0).await;
    for _ in 0..4 {
        app.move_money(ada, send("ada", "savings"), 1).await.unwrap();
        app.move_money(ada, withdrawal("ada"), 1).await.unwrap();
    }
    let whole = app.history(all_of(ada)).await;
    assert_eq!((whole.entries.len(), &whole.next), (9, &None));
    for limit in 1..=9 {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = app.history(page_of(ada, after, limit)).await;
            assert!(page.entries.len() <= limit);
            read.extend(ids(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, ids(&whole), "pages of {limit}");
    }
}

#[tokio::test]
async fn transfers_of_the_same_millisecond_are_paginated_by_id() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let now = app.clock.stop();
    for _ in 0..5 {
        app.move_money(ada, deposit("ada"), 1).await.unwrap();
    }
    let whole = ids(&app.history(all_of(ada)).await);
    let (first, rest) = whole.split_at(2);
    let after = Some(Cursor::new(now, first[1]));
    assert_eq!(ids(&app.history(page_of(ada, after, 100)).await), rest);
}

#[tokio::test]
async fn time_range_includes_its_start_and_excludes_its_end() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(app.move_money(ada, deposit("ada"), 1).await.unwrap().value.created_at);
    }
    let count = async |since: usize, before: usize| {
        let range = PageRange { since: Some(times[since]), before: Some(times[before]), ..all_of(ada).range };
        app.history(HistoryQuery { range, ..all_of(ada) }).await.entries.len()
    };
    assert_eq!((count(0, 2).await, count(1, 2).await, count(1, 1).await, count(2, 0).await), (2, 1, 0, 0));
}

#[tokio::test]
async fn history_takes_two_consecutive_round_trips() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 1).await;
    app.engine.round_trips();
    app.history(all_of(ada)).await;
    assert_eq!(app.engine.round_trips(), ["GetItem", "Query", "Query"], "the queries are concurrent");
}

#[tokio::test]
async fn history_of_a_foreign_account_is_not_found() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(bob, "bob", 1).await;
    let outcome = list_history(&app.store, &HistoryQuery { account: Some(account("bob")), ..all_of(ada) }).await;
    assert!(
        matches!(outcome, Err(PaymentError::Rejected { reason: FailureReason::AccountNotFound(_), .. })),
        "{outcome:?}"
    );
    assert_eq!(app.history(all_of(ada)).await.entries, []);
}

#[tokio::test]
async fn poll_from_complete_until_includes_delayed_transfers() {
    let app = Arc::new(TestApp::new().await);
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let (done, read) = oneshot::channel();
    let meanwhile = app.clone();
    // The time of the delayed transfer has been taken when its request is sent.
    app.engine.before_next("TransactWriteItems", async move {
        let newer = meanwhile.move_money(ada, deposit("ada"), 2).await.unwrap().value;
        done.send((newer, meanwhile.history(all_of(ada)).await)).unwrap();
    });
    let delayed = app.move_money(ada, deposit("ada"), 1).await.unwrap().value;
    let (newer, first) = read.await.unwrap();
    assert_eq!(ids(&first), [newer.id]);
    assert!(delayed.created_at < newer.created_at);

    let since = |time| HistoryQuery { range: PageRange { since: Some(time), ..all_of(ada).range }, ..all_of(ada) };
    assert_eq!(ids(&app.history(since(newer.created_at)).await), [newer.id], "the newest time would miss it");
    assert_eq!(ids(&app.history(since(first.complete_until)).await), [newer.id, delayed.id]);
}

#[tokio::test]
async fn creation_time_is_that_of_the_committed_attempt() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    app.clock.set_step(Duration::from_secs(1));
    app.engine.raise_transaction_conflicts(3, 1, 2);
    let start = app.clock.now();
    let transfer = app.move_money(ada, deposit("ada"), 1).await.unwrap().value;
    assert!(transfer.created_at >= start.plus(Duration::from_secs(4)), "{start} {}", transfer.created_at);
    let [(listed, _)] = &app.history(all_of(ada)).await.entries[..] else { panic!("not listed") };
    assert_eq!(listed.created_at, transfer.created_at);
}
