use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use kernel::testing::SeededRandom;
use kernel::{Clock, Random, UserId};

use super::*;
use crate::domain::{OperationId, Posting, Transfer, TransferId, TransferStatus, TransferType};
use crate::store::transfers::transfer_item;
use crate::testing::{TABLE, TestApp, account, amount, usd};

/// Numbers for the distribution of entries.
struct Dice(SeededRandom);

impl Dice {
    /// A number below `bound`.
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_in(&self, odds: usize) -> bool {
        self.below(odds) == 0
    }
}

/// Stored transfers, and all of them by their order.
struct Ledger {
    app: TestApp,
    start: Timestamp,
    by_order: BTreeMap<String, Transfer>,
}

impl Ledger {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let start = app.clock.now();
        Self { app, start, by_order: BTreeMap::new() }
    }

    /// A transfer this many milliseconds after the start.
    fn add(&mut self, millis: usize, from: &str, to: &str) {
        let id = TransferId::from(OperationId::random(&self.app.random));
        let transfer = Transfer {
            id,
            posting: Posting::Internal { from: account(from), to: account(to), kind: TransferType::Send },
            status: TransferStatus::Completed,
            amount: amount(1),
            currency: usd(),
            note: None,
            initiated_by: UserId::random(&self.app.random),
            created_at: self.time(millis),
        };
        self.by_order.insert(Cursor::new(transfer.created_at, id).to_string(), transfer);
    }

    fn time(&self, millis: usize) -> Timestamp {
        self.start.plus(Duration::from_millis(millis.try_into().unwrap()))
    }

    async fn store(&self) {
        let items: Vec<Item> = self.by_order.values().map(|transfer| transfer_item(transfer, None).unwrap()).collect();
        for batch in items.chunks(25) {
            let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            let puts = batch.iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
            self.app.engine.client.batch_write_item().request_items(TABLE, puts).send().await.unwrap();
        }
    }

    /// The transfers that a list of these accounts must contain.
    fn expected(&self, accounts: &[&str], range: &PageRange) -> Vec<TransferId> {
        let is_own = |transfer: &Transfer| {
            let sides = [transfer.posting.from(), transfer.posting.to()];
            sides.into_iter().flatten().any(|side| accounts.contains(&side.as_str()))
        };
        let in_range = |transfer: &Transfer| {
            range.since.is_none_or(|since| transfer.created_at >= since)
                && range.before.is_none_or(|before| transfer.created_at < before)
        };
        let newest_first = self.by_order.values().rev();
        newest_first.filter(|transfer| is_own(transfer) && in_range(transfer)).map(|transfer| transfer.id).collect()
    }

    /// Asserts that the first six pages of a list are complete and full, and that each takes at most two queries of a
    /// partition.
    async fn assert_pages(&self, accounts: &[&str], range: PageRange, context: &str) {
        let expected = self.expected(accounts, &range);
        let mut pages = expected.chunks(range.limit);
        let mut after = None;
        self.app.engine.round_trips();
        for _ in 0..6 {
            let range = PageRange { after, ..range.clone() };
            let page = self.app.store.list_transfers(accounts, &range).await.unwrap();
            let listed: Vec<TransferId> = page.entries.iter().map(|transfer| transfer.id).collect();
            assert_eq!(listed, pages.next().unwrap_or_default(), "{context}: {range:?}");
            let queries = self.app.engine.round_trips().len();
            assert!(queries <= 4 * accounts.len(), "{context}: {queries} queries");
            after = page.next;
            if after.is_none() {
                assert_eq!(pages.next(), None, "{context}: the last page is not the end");
                break;
            }
        }
    }
}

#[tokio::test]
async fn merged_pages_of_any_distribution_are_complete() {
    const LIMITS: [usize; 9] = [1, 2, 3, 7, 8, 9, 20, 50, 100];
    for seed in 1..=20 {
        let dice = Dice(SeededRandom::new(seed));
        let names: Vec<String> = (0..=dice.below(8)).map(|number| format!("a{number}")).collect();
        let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut ledger = Ledger::new().await;
        // Many transfers in few milliseconds, or few in many.
        let span = [1, 10, 1_000][dice.below(3)];
        // The account that has most of the transfers, for some of the time.
        let mut busy = 0;
        for _ in 0..dice.below(250) {
            if dice.one_in(40) {
                busy = dice.below(accounts.len());
            }
            let own = accounts[if dice.one_in(5) { dice.below(accounts.len()) } else { busy }];
            let other = if dice.one_in(4) { accounts[dice.below(accounts.len())] } else { "strangers" };
            let (from, to) = if dice.one_in(3) { (own, other) } else { (other, own) };
            ledger.add(dice.below(span), from, to);
        }
        // Neither of the user's.
        ledger.add(dice.below(span), "strangers", "foreign");
        ledger.store().await;
        for _ in 0..2 {
            let time = || (!dice.one_in(2)).then(|| ledger.time(dice.below(span + 1)));
            let range = PageRange { since: time(), before: time(), after: None, limit: LIMITS[dice.below(9)] };
            ledger.assert_pages(&accounts, range, &format!("seed {seed}")).await;
        }
    }
}

#[tokio::test]
async fn accounts_used_in_turn_are_merged_by_time() {
    let mut ledger = Ledger::new().await;
    let names: Vec<String> = (0..10).map(|number| format!("a{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        for entry in 0..60 {
            ledger.add(number * 60 + entry, name, "strangers");
        }
    }
    ledger.store().await;
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    for limit in [20, 59, 60, 61, 100] {
        ledger.assert_pages(&accounts, PageRange { limit, ..PageRange::default() }, "in turn").await;
    }
}

#[tokio::test]
async fn entries_of_one_account_are_read_by_one_query_each_way() {
    let mut ledger = Ledger::new().await;
    for entry in 0..250 {
        ledger.add(entry, "strangers", "a");
    }
    ledger.store().await;
    for limit in [1, 20, 100] {
        ledger.app.engine.round_trips();
        let range = PageRange { limit, ..PageRange::default() };
        let page = ledger.app.store.list_transfers(&["a"], &range).await.unwrap();
        assert_eq!((page.entries.len(), page.next.is_some()), (limit, true));
        assert_eq!(ledger.app.engine.round_trips(), ["Query", "Query"]);
    }
}

#[tokio::test]
async fn queries_of_many_accounts_are_sent_in_groups() {
    let app = TestApp::new().await;
    let names: Vec<String> = (0..1_000).map(|number| format!("a{number}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    let range = PageRange { limit: 100, ..PageRange::default() };
    app.engine.suspend();
    tokio::time::pause();
    let list = app.store.list_transfers(&accounts, &range);
    tokio::time::timeout(Duration::from_secs(1), list).await.unwrap_err();
    assert_eq!(app.engine.round_trips().len(), MAX_CONCURRENT_QUERIES);
}
