use super::*;
use crate::domain::Direction::{Between, In, Out};
use crate::domain::{Direction, Place, TransferId};
use crate::store::histories::{HistoryError, HistoryPage, HistoryQuery, ReadHistory};

impl World {
    async fn history(&self, query: HistoryQuery) -> HistoryPage {
        self.table.history(query).await.unwrap()
    }
}

fn all_of(person: Person) -> HistoryQuery {
    HistoryQuery { owner: person.id, account: None, since: None, before: None, after: None, limit: 100 }
}

fn ids(page: &HistoryPage) -> Vec<TransferId> {
    page.transfers.iter().map(|(transfer, _)| transfer.id).collect()
}

#[tokio::test]
async fn a_history_holds_each_transfer_once_newest_first_with_its_direction() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 0).await;
    world.debit(ada, "savings", 0).await;
    world.debit(bob, "bob", 0).await;
    world.post(ada, deposit("ada"), 100).await.unwrap();
    world.post(ada, send("ada", "savings"), 10).await.unwrap();
    world.post(ada, send("ada", "bob"), 20).await.unwrap();
    world.post(bob, send("bob", "ada"), 5).await.unwrap();
    world.post(bob, withdrawal("bob"), 1).await.unwrap();
    let seen = |page: HistoryPage| -> Vec<(i64, Direction)> {
        page.transfers.into_iter().map(|(transfer, direction)| (transfer.amount.minor(), direction)).collect()
    };
    assert_eq!(seen(world.history(all_of(ada)).await), [(5, In), (20, Out), (10, Between), (100, In)]);
    assert_eq!(seen(world.history(all_of(bob)).await), [(1, Out), (5, Out), (20, In)]);
    let savings = HistoryQuery { account: Some(account("savings")), ..all_of(ada) };
    assert_eq!(seen(world.history(savings).await), [(10, Between)]);
}

#[tokio::test]
async fn pages_of_any_size_are_the_whole_history_once() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 100).await;
    world.debit(ada, "savings", 0).await;
    for _ in 0..4 {
        world.post(ada, send("ada", "savings"), 1).await.unwrap();
        world.post(ada, withdrawal("ada"), 1).await.unwrap();
    }
    let whole = world.history(all_of(ada)).await;
    assert_eq!((whole.transfers.len(), &whole.next), (9, &None));
    for limit in 1..=9 {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = world.history(HistoryQuery { after, limit, ..all_of(ada) }).await;
            assert!(page.transfers.len() <= limit);
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
async fn transfers_of_the_same_millisecond_are_told_apart_by_their_ids() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let now = world.clock.now();
    for _ in 0..5 {
        let order = world.order(ada, deposit("ada"), 1);
        let order = TransferOrder { transfer: Transfer { created_at: now, ..order.transfer }, ..order };
        world.table.post(order).await.unwrap();
    }
    let whole = ids(&world.history(all_of(ada)).await);
    let (first, rest) = whole.split_at(2);
    let after = Some(Place::of(now, first[1]));
    assert_eq!(ids(&world.history(HistoryQuery { after, ..all_of(ada) }).await), rest);
}

#[tokio::test]
async fn a_span_of_time_includes_its_beginning_and_not_its_end() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(world.post(ada, deposit("ada"), 1).await.unwrap().transfer.created_at);
    }
    let count = async |since: usize, before: usize| {
        let query = HistoryQuery { since: Some(times[since]), before: Some(times[before]), ..all_of(ada) };
        world.history(query).await.transfers.len()
    };
    assert_eq!((count(0, 2).await, count(1, 2).await, count(1, 1).await, count(2, 0).await), (2, 1, 0, 0));
}

#[tokio::test]
async fn a_history_takes_two_round_trips_in_depth() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 1).await;
    world.engine.round_trips();
    world.history(all_of(ada)).await;
    assert_eq!(world.engine.round_trips(), ["GetItem", "Query", "Query"], "the queries run at the same time");
}

#[tokio::test]
async fn another_persons_account_has_no_history_for_me() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(bob, "bob", 1).await;
    let outcome = world.table.history(HistoryQuery { account: Some(account("bob")), ..all_of(ada) }).await;
    assert!(matches!(outcome, Err(HistoryError::AccountNotFound)), "{outcome:?}");
    assert_eq!(world.history(all_of(ada)).await.transfers, []);
}
