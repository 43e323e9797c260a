use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use deadline::with_time_left;
use dynamo::{Item, key, number, text};
use futures_util::future::BoxFuture;
use kernel::UserId;

use super::*;
use crate::domain::{Closing, NewAccount, WriteShards};
use crate::testing::{TABLE, TestApp, TestUser, account, account_key, amount, deposit, send, withdrawal};

const DAY: Duration = Duration::from_hours(24);

struct Ledger {
    app: TestApp,
    ada: TestUser,
    /// Has one more account to open.
    bo: TestUser,
}

impl Ledger {
    /// Accounts of every type, one with write shards, and transfers of every type.
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (ada, bo) = (app.user().await, app.user().await);
        app.open_debit(ada, "ada", 500).await;
        app.open_sharded(ada, "shop").await;
        app.open(ada, "card", NewAccount::Credit { limit: amount(300) }).await.unwrap();
        app.open_debit(bo, "bo", 0).await;
        app.open(bo, "loan", NewAccount::Loan { principal: amount(900), disburse_to: account("bo") }).await.unwrap();
        for (by, posting, minor) in [
            (ada, send("ada", "bo"), 30),
            (ada, send("card", "ada"), 120),
            (bo, send("bo", "loan"), 200),
            (bo, send("bo", "ada"), 7),
            (ada, deposit("shop"), 11),
            (ada, withdrawal("ada"), 5),
        ] {
            app.move_money(by, posting, minor).await.unwrap();
        }
        // Two write shards receive something, one of which is drained.
        for minor in [40, 60] {
            app.engine.raise_transaction_conflicts(1, 2, 3);
            app.move_money(bo, send("bo", "shop"), minor).await.unwrap();
            if minor == 40 {
                app.move_money(ada, send("shop", "ada"), 45).await.unwrap();
            }
        }
        Self { app, ada, bo }
    }

    async fn audit(&self, scope: AuditScope) -> AuditReport {
        audit_ledger(&self.app.store, restart(scope), Duration::ZERO).await.unwrap()
    }

    async fn findings(&self, scope: AuditScope) -> Vec<(FindingKind, String)> {
        let findings = self.audit(scope).await.findings;
        let mut found: Vec<_> = findings.into_iter().map(|finding| (finding.kind, finding.account)).collect();
        found.sort_by_key(|(kind, account)| (kind.to_string(), account.clone()));
        found
    }

    /// The recorded findings about an account.
    async fn recorded(&self, id: &str) -> Vec<Item> {
        let partition = text(format_args!("FINDINGS#{id}"));
        self.app.items().await.into_iter().filter(|item| item["pk"] == partition).collect()
    }

    async fn frozen(&self) -> Vec<String> {
        let items = self.app.items().await;
        let frozen = items.iter().filter(|item| item.get("status") == Some(&text("FROZEN")));
        let mut keys: Vec<_> =
            frozen.map(|item| format!("{} {}", item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap())).collect();
        keys.sort();
        keys
    }

    async fn set(&self, key: &Item, name: &str, value: AttributeValue) {
        self.app.set(key_of(key), name, value).await;
    }

    async fn add(&self, key: &Item, name: &str, by: i64) {
        let item = self.app.item(key_of(key)).await.unwrap();
        let value: i64 = item[name].as_n().unwrap().parse().unwrap();
        self.set(key, name, number(value + by)).await;
    }

    async fn remove(&self, key: &Item, name: &str) {
        let update = self.app.engine.client.update_item().table_name(TABLE).set_key(Some(key_of(key)));
        let update = update.update_expression("REMOVE #name").expression_attribute_names("#name", name);
        update.send().await.unwrap();
    }

    async fn delete(&self, key: &Item) {
        self.app.engine.client.delete_item().table_name(TABLE).set_key(Some(key_of(key))).send().await.unwrap();
    }

    async fn put(&self, item: Item) {
        self.app.engine.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }

    /// The item of the first transfer of an amount.
    async fn transfer(&self, minor: i64) -> Item {
        let items = self.app.items().await;
        let found =
            items.into_iter().find(|item| item["sk"] == text("TRANSFER") && item.get("amount") == Some(&number(minor)));
        found.expect("a transfer of the amount")
    }

    async fn closings(&self, id: &str) -> Vec<Closing> {
        let mut closings = Vec::new();
        for item in self.app.items().await {
            if item["pk"] == text(format_args!("CLOSINGS#{id}")) && item["sk"] != text("UNTIL") {
                closings.push(dynamo::from_item::<Closing>(item).unwrap());
            }
        }
        closings.sort_by(|one, other| one.day.cmp(&other.day));
        closings
    }
}

const fn restart(scope: AuditScope) -> AuditRequest {
    AuditRequest { restart: Some(scope), keep_active: false }
}

fn key_of(item: &Item) -> Item {
    key(item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap())
}

fn shard_key(id: &str, shard: usize) -> Item {
    key(format_args!("ACCOUNT#{id}"), format_args!("INTAKE#{shard}"))
}

fn closing_key(id: &str, day: &str) -> Item {
    key(format_args!("CLOSINGS#{id}"), day)
}

fn found(kind: FindingKind, accounts: &[&str]) -> Vec<(FindingKind, String)> {
    accounts.iter().map(|account| (kind, (*account).to_owned())).collect()
}

#[tokio::test]
async fn consistent_ledger_has_no_findings() {
    let ledger = Ledger::new().await;
    for scope in [AuditScope::Incremental, AuditScope::Full] {
        let report = ledger.audit(scope).await;
        assert_eq!((report.status, &report.findings[..]), (AuditStatus::Completed, &[][..]));
        assert_eq!(report.pass.accounts, 5);
        // Eleven transfers, three of which have an external side.
        assert_eq!(report.pass.transfers, 19);
    }
    ledger.app.clock.advance(DAY);
    let report = ledger.audit(AuditScope::Incremental).await;
    assert_eq!((report.pass.closings, report.findings), (5, vec![]));
    assert_eq!(ledger.frozen().await, Vec::<String>::new());
}

/// A way to corrupt the table, and what the audit finds then.
type Corruption<'a> = (&'static str, BoxFuture<'a, ()>, Vec<(FindingKind, String)>);

fn corrupt_accounts(ledger: &Ledger) -> Vec<Corruption<'_>> {
    use FindingKind::{BalanceMismatch, CounterpartyMissing, ItemMalformed, PositionInvalid};
    let ada = || account_key("ada");
    vec![
        (
            "a balance that is too high",
            Box::pin(async move {
                for (name, by) in [("balance", 1), ("available", 1), ("headroom", -1)] {
                    ledger.add(&ada(), name, by).await;
                }
            }),
            found(BalanceMismatch, &["ada"]),
        ),
        (
            "another available amount",
            Box::pin(async move { ledger.add(&ada(), "available", 1).await }),
            found(PositionInvalid, &["ada"]),
        ),
        (
            "another headroom",
            Box::pin(async move { ledger.add(&account_key("loan"), "headroom", 1).await }),
            found(PositionInvalid, &["loan"]),
        ),
        (
            "a shard that received more",
            Box::pin(async move {
                ledger.add(&shard_key("shop", 3), "received", 5).await;
                ledger.add(&shard_key("shop", 3), "headroom", -5).await;
            }),
            found(BalanceMismatch, &["shop"]),
        ),
        (
            "a deleted shard",
            Box::pin(async move { ledger.delete(&shard_key("shop", 7)).await }),
            found(PositionInvalid, &["shop"]),
        ),
        (
            "a balance that is text",
            Box::pin(async move { ledger.set(&ada(), "balance", text("1")).await }),
            found(ItemMalformed, &["ada"]),
        ),
        (
            "an account without a type",
            Box::pin(async move { ledger.remove(&ada(), "type").await }),
            found(ItemMalformed, &["ada"]),
        ),
        (
            "the id of another account",
            Box::pin(async move { ledger.set(&ada(), "id", text("eve")).await }),
            found(ItemMalformed, &["ada"]),
        ),
        (
            "another currency of an account",
            Box::pin(async move { ledger.set(&account_key("card"), "currency", text("EUR")).await }),
            [found(CounterpartyMissing, &["ada"]), found(ItemMalformed, &["card"])].concat(),
        ),
        (
            "a deleted account",
            Box::pin(async move { ledger.delete(&account_key("card")).await }),
            found(CounterpartyMissing, &["ada"]),
        ),
    ]
}

fn corrupt_transfers(ledger: &Ledger) -> Vec<Corruption<'_>> {
    use FindingKind::{BalanceMismatch, CounterpartyMissing, ItemMalformed};
    vec![
        (
            "another amount of a transfer",
            Box::pin(async move { ledger.add(&ledger.transfer(30).await, "amount", 1).await }),
            found(BalanceMismatch, &["ada", "bo"]),
        ),
        (
            "a deleted transfer",
            Box::pin(async move { ledger.delete(&ledger.transfer(30).await).await }),
            found(BalanceMismatch, &["ada", "bo"]),
        ),
        (
            "a transfer that is not indexed",
            Box::pin(async move { ledger.remove(&ledger.transfer(30).await, "order").await }),
            found(BalanceMismatch, &["ada", "bo"]),
        ),
        (
            "another payee of a transfer",
            Box::pin(async move { ledger.set(&ledger.transfer(30).await, "to", text("shop")).await }),
            found(BalanceMismatch, &["bo", "shop"]),
        ),
        (
            "a payee that does not exist",
            Box::pin(async move { ledger.set(&ledger.transfer(30).await, "to", text("eve")).await }),
            [found(BalanceMismatch, &["bo"]), found(CounterpartyMissing, &["ada"])].concat(),
        ),
        (
            "a transfer without a payee",
            Box::pin(async move { ledger.remove(&ledger.transfer(30).await, "to").await }),
            [found(BalanceMismatch, &["bo"]), found(ItemMalformed, &["ada"])].concat(),
        ),
        (
            "a deposit with a payer",
            Box::pin(async move { ledger.set(&ledger.transfer(11).await, "from", text("ada")).await }),
            found(ItemMalformed, &["ada"]),
        ),
        (
            "another time of a transfer",
            Box::pin(
                async move { ledger.set(&ledger.transfer(30).await, "createdAt", text("2026-01-30T12:00:00Z")).await },
            ),
            found(ItemMalformed, &["ada", "bo"]),
        ),
        (
            "a failed transfer that is indexed",
            Box::pin(async move { ledger.set(&ledger.transfer(30).await, "status", text("FAILED")).await }),
            found(ItemMalformed, &["ada", "bo"]),
        ),
        (
            "another currency of a transfer",
            Box::pin(async move { ledger.set(&ledger.transfer(30).await, "currency", text("EUR")).await }),
            [found(CounterpartyMissing, &["ada", "bo"]), found(ItemMalformed, &["ada", "bo"])].concat(),
        ),
        (
            "a copy of a transfer",
            Box::pin(async move {
                let (id, mut copy) = ("11111111-1111-4111-8111-111111111111", ledger.transfer(30).await);
                let order = format!("{}#{id}", copy["createdAt"].as_s().unwrap());
                copy.extend([("id".to_owned(), text(id)), ("order".to_owned(), text(order))]);
                copy.extend(key(format_args!("TRANSFER#{id}"), "TRANSFER"));
                ledger.put(copy).await;
            }),
            found(BalanceMismatch, &["ada", "bo"]),
        ),
    ]
}

#[tokio::test]
async fn corrupt_item_is_found_and_freezes_its_account_alone() {
    let ledger = Ledger::new().await;
    let intact = ledger.app.engine.snapshot(&[TABLE]);
    for (name, corrupt, expected) in [corrupt_accounts(&ledger), corrupt_transfers(&ledger)].into_iter().flatten() {
        ledger.app.engine.restore(&intact);
        corrupt.await;
        assert_eq!(ledger.findings(AuditScope::Incremental).await, expected, "{name}");
        let freezing = expected.iter().filter(|(kind, _)| kind.freezes()).map(|(_, account)| account.as_str());
        let mut frozen: Vec<_> = freezing.flat_map(items_of).collect();
        frozen.sort();
        frozen.dedup();
        if name == "a deleted shard" {
            frozen.retain(|key| key != "ACCOUNT#shop INTAKE#7");
        }
        assert_eq!(ledger.frozen().await, frozen, "{name}");
    }
}

/// The keys of an account and its shards.
fn items_of(account: &str) -> Vec<String> {
    let shards = if account == "shop" { 0..8 } else { 0..0 };
    let shards = shards.map(|shard| format!("ACCOUNT#{account} INTAKE#{shard}"));
    std::iter::once(format!("ACCOUNT#{account} ACCOUNT")).chain(shards).collect()
}

#[tokio::test]
async fn account_is_audited_by_five_requests() {
    let app = TestApp::new().await;
    app.open_debit(app.user().await, "ada", 5).await;
    app.engine.round_trips();
    audit_ledger(&app.store, restart(AuditScope::Incremental), Duration::ZERO).await.unwrap();
    // The progress, which is claimed, and a page of accounts; the last closing, the transfers of both directions, the
    // accounts that they name, and the account; the progress.
    let expected = ["GetItem", "PutItem", "Scan", "Query", "Query", "Query", "BatchGetItem", "Query", "PutItem"];
    assert_eq!(app.engine.round_trips(), expected);
}

#[tokio::test]
async fn deleted_account_of_a_user_is_found_by_a_full_pass() {
    let ledger = Ledger::new().await;
    ledger.app.open_debit(ledger.bo, "savings", 5).await;
    ledger.delete(&account_key("savings")).await;
    assert_eq!(ledger.findings(AuditScope::Incremental).await, []);
    assert_eq!(ledger.findings(AuditScope::Full).await, found(FindingKind::AccountMissing, &["savings"]));
}

#[tokio::test]
async fn account_outside_the_index_is_audited_by_a_full_pass() {
    let ledger = Ledger::new().await;
    for name in ["balance", "available"] {
        ledger.add(&account_key("ada"), name, 1).await;
    }
    ledger.add(&account_key("ada"), "headroom", -1).await;
    ledger.remove(&account_key("ada"), "ownerEpoch").await;
    assert_eq!(ledger.findings(AuditScope::Incremental).await, []);
    assert_eq!(ledger.findings(AuditScope::Full).await, found(FindingKind::BalanceMismatch, &["ada"]));
}

#[tokio::test]
async fn finding_is_recorded_and_names_the_transfers() {
    let ledger = Ledger::new().await;
    let transfer = ledger.transfer(30).await;
    ledger.add(&transfer, "amount", 1).await;
    let report = ledger.audit(AuditScope::Incremental).await;
    let id = transfer["id"].as_s().unwrap();
    let bo = report.findings.iter().find(|finding| finding.account == "bo").unwrap();
    assert_eq!(bo.detail, "the balance is the sum of its transfers plus -1 minor units");
    assert!(bo.transfers.contains(id) && bo.transfers.len() == 6, "{bo:?}");
    let recorded = ledger.recorded("bo").await;
    let [recorded] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((&recorded["kind"], &recorded["paymentAccountId"]), (&text("BALANCE_MISMATCH"), &text("bo")));
    assert!(recorded["transfers"].as_l().unwrap().contains(&text(id)));
}

#[tokio::test]
async fn days_are_closed_an_hour_after_their_end() {
    let ledger = Ledger::new().await;
    let app = &ledger.app;
    // The clock is at noon.
    app.clock.advance(Duration::from_secs(12 * 3600 + 3500));
    assert_eq!(ledger.audit(AuditScope::Incremental).await.pass.closings, 0);
    app.clock.advance(Duration::from_secs(100));
    assert_eq!(ledger.audit(AuditScope::Incremental).await.pass.closings, 5);
    app.move_money(ledger.bo, send("bo", "ada"), 3).await.unwrap();
    app.move_money(ledger.bo, send("bo", "ada"), 4).await.unwrap();
    app.clock.advance(3 * DAY);
    // Only the transfers after the closings are read.
    let report = ledger.audit(AuditScope::Incremental).await;
    assert_eq!((report.pass.transfers, report.pass.closings, report.findings), (4, 2, vec![]));
    let closings = ledger.closings("ada").await;
    let [first, second] = &closings[..] else { panic!("{closings:?}") };
    assert_eq!((first.day.to_string(), first.opening_balance, first.transfers), ("2026-01-31".to_owned(), 0, 6));
    assert_eq!((second.opening_balance, second.closing_balance), (first.closing_balance, first.closing_balance + 7));
    assert_eq!(second.previous_digest, Some(first.digest(&account("ada"))));
    // All of them are checked again.
    let report = ledger.audit(AuditScope::Full).await;
    assert_eq!((report.pass.transfers, report.pass.closings, report.findings), (23, 0, vec![]));
}

#[tokio::test]
async fn change_of_a_closed_day_is_found() {
    let ledger = Ledger::new().await;
    let app = &ledger.app;
    app.clock.advance(DAY);
    app.move_money(ledger.bo, send("bo", "ada"), 3).await.unwrap();
    app.clock.advance(DAY);
    ledger.audit(AuditScope::Incremental).await;
    let intact = app.engine.snapshot(&[TABLE]);
    let closed = FindingKind::ClosingChanged;
    let (first, last) = (closing_key("ada", "2026-01-31"), closing_key("ada", "2026-02-01"));
    // The last member: whether an incremental pass finds the change.
    let changes: Vec<(Corruption<'_>, bool)> = vec![
        (
            (
                "the note of a transfer",
                Box::pin(async { ledger.set(&ledger.transfer(30).await, "note", text("rent")).await }),
                found(closed, &["ada", "bo"]),
            ),
            false,
        ),
        (
            (
                "a balance of an old closing",
                Box::pin(async { ledger.add(&first, "closingBalance", 1).await }),
                found(closed, &["ada"]),
            ),
            false,
        ),
        (("the deleted last closing", Box::pin(async { ledger.delete(&last).await }), found(closed, &["ada"])), true),
        (("a deleted old closing", Box::pin(async { ledger.delete(&first).await }), found(closed, &["ada"])), false),
        (
            (
                "a balance of the last closing",
                Box::pin(async { ledger.add(&last, "closingBalance", 1).await }),
                found(closed, &["ada"]),
            ),
            true,
        ),
        (
            (
                "a malformed last closing",
                Box::pin(async { ledger.set(&last, "day", text("yesterday")).await }),
                found(closed, &["ada"]),
            ),
            true,
        ),
        (
            (
                "a deleted transfer of an old day",
                Box::pin(async { ledger.delete(&ledger.transfer(30).await).await }),
                [found(FindingKind::BalanceMismatch, &["ada", "bo"]), found(closed, &["ada", "bo"])].concat(),
            ),
            false,
        ),
        (
            (
                "the deleted transfers of the last day",
                Box::pin(async { ledger.delete(&ledger.transfer(3).await).await }),
                [found(FindingKind::BalanceMismatch, &["ada", "bo"]), found(closed, &["ada", "bo"])].concat(),
            ),
            false,
        ),
    ];
    for ((name, change, expected), is_found_incrementally) in changes {
        app.engine.restore(&intact);
        change.await;
        let expected_incrementally = if is_found_incrementally { expected.clone() } else { vec![] };
        assert_eq!(ledger.findings(AuditScope::Incremental).await, expected_incrementally, "{name}");
        assert_eq!(ledger.findings(AuditScope::Full).await, expected, "{name}");
    }
}

#[tokio::test]
async fn removed_closings_are_made_again() {
    let ledger = Ledger::new().await;
    ledger.app.clock.advance(DAY);
    ledger.audit(AuditScope::Incremental).await;
    let closings = ledger.closings("ada").await;
    for sk in ["2026-01-31", "UNTIL"] {
        ledger.delete(&closing_key("ada", sk)).await;
    }
    assert_eq!(ledger.findings(AuditScope::Incremental).await, []);
    assert_eq!(ledger.closings("ada").await, closings);
    ledger.delete(&closing_key("ada", "UNTIL")).await;
    assert_eq!(ledger.findings(AuditScope::Incremental).await, found(FindingKind::ClosingChanged, &["ada"]));
}

#[tokio::test]
async fn transfers_during_the_audit_are_no_finding() {
    let ledger = Ledger::new().await;
    let (store, bo) = (ledger.app.store.clone(), ledger.bo);
    let command = ledger.app.unkeyed(bo, send("bo", "shop"), 9);
    // After the transfers of the first accounts were read, and before a balance is.
    ledger.app.engine.before_next("BatchGetItem", async move {
        crate::app::post_transfer::execute(&store, command).await.unwrap();
    });
    assert_eq!(ledger.audit(AuditScope::Incremental).await.findings, []);
    assert_eq!(ledger.audit(AuditScope::Incremental).await.pass.transfers, 21);
}

#[tokio::test]
async fn frozen_account_can_be_found_again() {
    let ledger = Ledger::new().await;
    ledger.add(&account_key("shop"), "available", 1).await;
    for times in 1..=2 {
        assert_eq!(ledger.findings(AuditScope::Full).await, found(FindingKind::PositionInvalid, &["shop"]));
        assert_eq!(ledger.recorded("shop").await.len(), times);
        assert_eq!(ledger.frozen().await.len(), 9);
    }
}

#[tokio::test]
async fn account_is_frozen_with_the_shards_that_it_gets_meanwhile() {
    let ledger = Ledger::new().await;
    ledger.add(&account_key("ada"), "available", 1).await;
    let (store, ada) = (ledger.app.store.clone(), ledger.ada);
    let shards = WriteShards::new(2).ok();
    ledger.app.engine.before_next("UpdateItem", async move {
        let (claims, id) = (ada.claims, account("ada"));
        crate::app::set_write_shards::set_write_shards(&store, ada.id, &claims, &id, shards).await.unwrap();
    });
    ledger.audit(AuditScope::Incremental).await;
    assert_eq!(ledger.frozen().await, ["ACCOUNT#ada ACCOUNT", "ACCOUNT#ada INTAKE#0", "ACCOUNT#ada INTAKE#1"]);
}

#[tokio::test]
async fn pass_is_continued_by_the_next_invocation() {
    let ledger = Ledger::new().await;
    let app = &ledger.app;
    // Two pages of accounts.
    for _ in 0..35 {
        let user = app.user().await;
        for _ in 0..3 {
            let id = UserId::random(&app.random).to_string();
            app.open_debit(user, &id, 1).await;
        }
    }
    let request = AuditRequest::default();
    let run = || Box::pin(with_time_left(Duration::from_secs(90), audit_ledger(&app.store, request, Duration::ZERO)));
    audit_ledger(&app.store, restart(AuditScope::Full), Duration::ZERO).await.unwrap();
    app.clock.advance(DAY);
    // The time runs out in the second page.
    app.engine.before_next("Scan", async {});
    app.engine.before_next("Scan", async {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(40)).await;
        tokio::time::resume();
    });
    let report = run().await.unwrap();
    assert_eq!((report.status, report.pass.accounts), (AuditStatus::InProgress, 100));
    // A request for a new incremental pass continues the one in progress.
    let report = run().await.unwrap();
    assert_eq!((report.status, report.pass.accounts), (AuditStatus::Completed, 110));
    assert_eq!(run().await.unwrap().status, AuditStatus::UpToDate);
    app.clock.advance(DAY);
    assert_eq!(run().await.unwrap().status, AuditStatus::Completed);
}

#[tokio::test]
async fn full_pass_is_due_first_and_weekly() {
    let ledger = Ledger::new().await;
    let run = async || {
        let report = audit_ledger(&ledger.app.store, AuditRequest::default(), Duration::ZERO).await.unwrap();
        (report.status, report.pass.scope)
    };
    assert_eq!(run().await, (AuditStatus::Completed, AuditScope::Full));
    assert_eq!(run().await, (AuditStatus::UpToDate, AuditScope::Full));
    for _ in 1..7 {
        ledger.app.clock.advance(DAY);
        assert_eq!(run().await, (AuditStatus::Completed, AuditScope::Incremental));
    }
    ledger.app.clock.advance(DAY);
    assert_eq!(run().await, (AuditStatus::Completed, AuditScope::Full));
}

#[tokio::test]
async fn full_pass_that_was_not_completed_is_still_due() {
    let ledger = Ledger::new().await;
    let run = |request| Box::pin(audit_ledger(&ledger.app.store, request, Duration::ZERO));
    let interrupted = with_time_left(Duration::from_secs(30), run(restart(AuditScope::Full))).await.unwrap();
    assert_eq!(interrupted.status, AuditStatus::InProgress);
    run(restart(AuditScope::Incremental)).await.unwrap();
    ledger.app.clock.advance(DAY);
    assert_eq!(run(AuditRequest::default()).await.unwrap().pass.scope, AuditScope::Full);
}

#[tokio::test]
async fn concurrent_invocations_do_not_set_the_progress_back() {
    let ledger = Ledger::new().await;
    let store = ledger.app.store.clone();
    let request = restart(AuditScope::Incremental);
    ledger.app.engine.before_next("PutItem", async move {
        let report = audit_ledger(&store, request, Duration::ZERO).await.unwrap();
        assert_eq!(report.status, AuditStatus::Completed);
    });
    assert_eq!(ledger.audit(AuditScope::Incremental).await.status, AuditStatus::Superseded);
}

#[tokio::test]
async fn transfers_of_several_pages_are_merged_in_order() {
    let app = TestApp::new().await;
    let (ada, bo) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 10_000).await;
    app.open_debit(bo, "bo", 10_000).await;
    for number in 0..1_020 {
        let (by, posting) = if number % 2 == 0 { (ada, send("ada", "bo")) } else { (bo, send("bo", "ada")) };
        app.move_money(by, posting, 1 + number % 3).await.unwrap();
    }
    app.clock.advance(DAY);
    for scope in [AuditScope::Full, AuditScope::Full] {
        let report = audit_ledger(&app.store, restart(scope), Duration::ZERO).await.unwrap();
        assert_eq!((report.pass.transfers, report.findings), (2_042, vec![]));
    }
}

#[tokio::test]
async fn full_audit_is_continued_from_the_last_verified_day() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 1).await;
    for _ in 0..4 {
        app.clock.advance(DAY);
        app.move_money(ada, deposit("ada"), 1).await.unwrap();
    }
    app.clock.advance(2 * DAY);
    audit_ledger(&app.store, restart(AuditScope::Full), Duration::ZERO).await.unwrap();
    // The time runs out after the third of five days.
    for _ in 0..3 {
        app.engine.before_next("GetItem", async {});
    }
    app.engine.before_next("GetItem", async {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(40)).await;
        tokio::time::resume();
    });
    let run =
        |request| Box::pin(with_time_left(Duration::from_secs(90), audit_ledger(&app.store, request, Duration::ZERO)));
    let report = run(restart(AuditScope::Full)).await.unwrap();
    assert_eq!((report.status, report.pass.transfers), (AuditStatus::InProgress, 4));
    let report = run(AuditRequest::default()).await.unwrap();
    assert_eq!((report.status, report.pass.accounts, report.findings), (AuditStatus::Completed, 1, vec![]));
    // The transfers of the third day, which was compared before, are not read again.
    assert_eq!(report.pass.transfers, 4 + 2);
}

#[tokio::test]
async fn repaired_account_has_no_findings() {
    let ledger = Ledger::new().await;
    let transfer = ledger.transfer(30).await;
    ledger.delete(&transfer).await;
    ledger.app.clock.advance(DAY);
    for _ in 0..2 {
        let expected = found(FindingKind::BalanceMismatch, &["ada", "bo"]);
        assert_eq!(ledger.findings(AuditScope::Incremental).await, expected);
    }
    assert_eq!((ledger.closings("ada").await, ledger.closings("card").await.len()), (vec![], 1));
    ledger.put(transfer).await;
    assert_eq!(ledger.findings(AuditScope::Incremental).await, []);
    assert_eq!(ledger.closings("ada").await.len(), 1);
}

#[tokio::test]
async fn account_that_cannot_be_audited_does_not_end_the_pass() {
    let ledger = Ledger::new().await;
    ledger.app.engine.reject("BatchGetItem", 1, "ValidationException");
    let report = ledger.audit(AuditScope::Incremental).await;
    assert_eq!((report.status, report.pass.accounts), (AuditStatus::Completed, 5));
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!(finding.kind, FindingKind::NotAudited);
    assert_eq!(ledger.frozen().await, Vec::<String>::new());
}

#[tokio::test]
async fn failure_of_every_account_fails_the_invocation() {
    let ledger = Ledger::new().await;
    ledger.app.engine.reject("BatchGetItem", 5, "ValidationException");
    let outcome = audit_ledger(&ledger.app.store, restart(AuditScope::Incremental), Duration::ZERO).await;
    assert!(outcome.is_err(), "{outcome:?}");
    let continued = audit_ledger(&ledger.app.store, AuditRequest::default(), Duration::ZERO).await.unwrap();
    assert_eq!((continued.status, continued.findings), (AuditStatus::Completed, vec![]));
}

#[tokio::test]
async fn pass_freezes_a_few_accounts_only() {
    let app = TestApp::new().await;
    for user in 0..4 {
        let owner = app.user().await;
        for account in 0..3 {
            let id = format!("account-{user}-{account}");
            app.open_debit(owner, &id, 5).await;
            app.set(account_key(&id), "available", number(6)).await;
        }
    }
    let keep = AuditRequest { keep_active: true, ..restart(AuditScope::Incremental) };
    let report = audit_ledger(&app.store, keep, Duration::ZERO).await.unwrap();
    assert_eq!((report.findings.len(), report.pass.frozen), (12, 0));
    let report = audit_ledger(&app.store, restart(AuditScope::Incremental), Duration::ZERO).await.unwrap();
    assert_eq!((report.findings.len(), report.pass.frozen), (12, MAX_FROZEN));
}

#[tokio::test]
async fn many_malformed_transfers_are_one_finding() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 1).await;
    for _ in 0..120 {
        app.move_money(ada, deposit("ada"), 1).await.unwrap();
    }
    for item in app.items().await {
        if item["sk"] == text("TRANSFER") {
            app.set(key_of(&item), "extra", AttributeValue::Bool(true)).await;
        }
    }
    let report = audit_ledger(&app.store, restart(AuditScope::Incremental), Duration::ZERO).await.unwrap();
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.kind, finding.transfers.len()), (FindingKind::ItemMalformed, 100));
}

#[tokio::test]
async fn account_with_a_malformed_key_is_found() {
    let ledger = Ledger::new().await;
    let mut copy = ledger.app.item(account_key("ada")).await.unwrap();
    copy.extend(key("ACCOUNT#Ada", "ACCOUNT"));
    ledger.put(copy).await;
    assert_eq!(ledger.findings(AuditScope::Full).await, found(FindingKind::ItemMalformed, &["Ada"]));
    assert_eq!(ledger.frozen().await, ["ACCOUNT#Ada ACCOUNT"]);
}

#[tokio::test]
async fn transfer_younger_than_the_balance_explains_nothing() {
    for (age, expected) in [(0, None), (6, Some(FindingKind::BalanceMismatch))] {
        let app = TestApp::new().await;
        let ada = app.user().await;
        app.open_debit(ada, "ada", 1).await;
        for (name, by) in [("balance", 9), ("available", 9), ("headroom", -9)] {
            let item = app.item(account_key("ada")).await.unwrap();
            let value: i64 = item[name].as_n().unwrap().parse().unwrap();
            app.set(account_key("ada"), name, number(value + by)).await;
        }
        let (store, clock, command) = (app.store.clone(), app.clock.clone(), app.unkeyed(ada, deposit("ada"), 9));
        // The account is audited twice by four queries, before its transfers are read again.
        for _ in 0..8 {
            app.engine.before_next("Query", async {});
        }
        app.engine.before_next("Query", async move {
            clock.advance(Duration::from_secs(age));
            crate::app::post_transfer::execute(&store, command).await.unwrap();
        });
        let audit = audit_ledger(&app.store, restart(AuditScope::Incremental), Duration::ZERO).await.unwrap();
        assert_eq!(audit.findings.first().map(|finding| finding.kind), expected, "{age} seconds");
    }
}
