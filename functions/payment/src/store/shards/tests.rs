use dynamo::{Item, number, text};
use futures_util::future::join_all;
use kernel::{Currency, MAX_AMOUNT_MINOR};

use crate::app::set_write_shards::set_write_shards;
use crate::app::{PaymentError, open_account, post_transfer};
use crate::domain::{FailureReason, Idempotent, IdempotentRequest, NewAccount, Party, Transfer, WriteShards};
use crate::store::Store;
use crate::testing::{TestApp, TestUser, account, account_key, amount, send, usd, withdrawal};

/// Makes the next transfers between two accounts conflict on the payee.
fn conflict_on_payee(app: &TestApp, times: usize) {
    app.engine.raise_transaction_conflicts(times, 2, 3);
}

/// Sends these amounts one after the other, each to a shard.
async fn send_to_shards(app: &TestApp, payer: TestUser, from: &str, to: &str, minor: &[i64]) {
    for minor in minor {
        conflict_on_payee(app, 1);
        app.move_money(payer, send(from, to), *minor).await.unwrap();
    }
}

/// A merchant with an empty sharded account, and a customer with a balance of 1,000.
async fn shop() -> (TestApp, TestUser, TestUser) {
    let app = TestApp::new().await;
    let (merchant, customer) = (app.user().await, app.user().await);
    app.open_sharded(merchant, "shop").await;
    app.open_debit(customer, "purse", 1000).await;
    app.engine.round_trips();
    (app, merchant, customer)
}

/// The account's own balance, without its shards.
async fn own_balance(app: &TestApp, id: &str) -> i64 {
    let item = app.item(account_key(id)).await.unwrap();
    integer(&item, "balance")
}

fn integer(item: &Item, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}

fn sort_key(item: &Item) -> &str {
    item["sk"].as_s().unwrap()
}

/// Sets an attribute of every shard of an account.
async fn set_on_shards(app: &TestApp, id: &str, name: &str, value: aws_sdk_dynamodb::types::AttributeValue) {
    let partition = text(format_args!("ACCOUNT#{id}"));
    let items = app.items().await;
    let is_shard = |item: &&Item| item["pk"] == partition && sort_key(item).starts_with("INTAKE#");
    assert!(items.iter().any(|item| is_shard(&item)));
    for item in items.iter().filter(is_shard) {
        app.set(dynamo::key(format_args!("ACCOUNT#{id}"), sort_key(item)), name, value.clone()).await;
    }
}

#[tokio::test]
async fn uncontended_credit_takes_one_round_trip_to_the_account() {
    let (app, _, customer) = shop().await;
    app.move_money(customer, send("purse", "shop"), 30).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(own_balance(&app, "shop").await, 30);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn contended_credit_queries_shards_once_and_then_uses_them() {
    let (app, merchant, customer) = shop().await;
    conflict_on_payee(&app, 1);
    app.move_money(customer, send("purse", "shop"), 30).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems", "Query", "TransactWriteItems"]);
    app.move_money(customer, send("purse", "shop"), 12).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(own_balance(&app, "shop").await, 0);
    assert_eq!(app.balance(merchant, "shop").await, 42);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn contended_credit_without_shards_is_retried_on_the_account() {
    let (app, merchant, customer) = shop().await;
    app.open_debit(merchant, "kiosk", 0).await;
    app.engine.round_trips();
    conflict_on_payee(&app, 3);
    app.move_money(customer, send("purse", "kiosk"), 30).await.unwrap();
    let tries = ["TransactWriteItems", "Query", "TransactWriteItems", "TransactWriteItems", "TransactWriteItems"];
    assert_eq!(app.engine.round_trips(), tries);
    conflict_on_payee(&app, 1);
    app.move_money(customer, send("purse", "kiosk"), 12).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 2]);
    assert_eq!(app.balance(merchant, "kiosk").await, 42);
}

#[tokio::test]
async fn contended_debit_does_not_query_shards() {
    let (app, _, customer) = shop().await;
    app.engine.raise_transaction_conflicts(2, 1, 3);
    app.move_money(customer, send("purse", "shop"), 30).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 3]);
}

#[tokio::test]
async fn shard_balances_can_be_spent_completely() {
    let (app, merchant, customer) = shop().await;
    app.move_money(customer, send("purse", "shop"), 5).await.unwrap();
    send_to_shards(&app, customer, "purse", "shop", &[10, 20, 30]).await;
    assert_eq!(app.position(merchant, "shop").await.1, 65);
    app.engine.round_trips();

    app.move_money(merchant, withdrawal("shop"), 4).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"], "its own balance was enough");
    app.move_money(merchant, send("shop", "purse"), 41).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems", "Query", "TransactWriteItems"]);
    assert_eq!((own_balance(&app, "shop").await, app.balance(merchant, "shop").await), (20, 20));
    app.assert_books_balance().await;

    let rejected = app.move_money(merchant, withdrawal("shop"), 21).await;
    assert!(
        matches!(rejected, Err(PaymentError::Rejected { reason: FailureReason::InsufficientFunds, .. })),
        "{rejected:?}"
    );
    app.move_money(merchant, withdrawal("shop"), 20).await.unwrap();
    assert_eq!(app.balance(merchant, "shop").await, 0);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn keyed_failure_is_replayed_after_shards_were_credited() {
    let (app, merchant, customer) = shop().await;
    send_to_shards(&app, customer, "purse", "shop", &[10]).await;
    let order = || app.keyed(merchant, "rent", withdrawal("shop"), 11);
    let is_rejected = |outcome: Result<Idempotent<Transfer>, PaymentError>, as_replay: bool| {
        let insufficient = FailureReason::InsufficientFunds;
        matches!(outcome, Err(PaymentError::Rejected { reason, replayed }) if (reason, replayed) == (insufficient, as_replay))
    };
    assert!(is_rejected(app.post(order()).await, false));
    send_to_shards(&app, customer, "purse", "shop", &[10]).await;
    assert!(is_rejected(app.post(order()).await, true));
    assert_eq!(app.balance(merchant, "shop").await, 20);
}

#[tokio::test]
async fn keyed_credit_to_a_shard_is_executed_once() {
    let (app, merchant, customer) = shop().await;
    let order = || app.keyed(customer, "dinner", send("purse", "shop"), 25);
    conflict_on_payee(&app, 1);
    let first = app.post(order()).await.unwrap();
    let again = app.post(order()).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.value, again.value);
    assert_eq!(app.balance(merchant, "shop").await, 25);
}

#[tokio::test]
async fn debit_drains_nothing_after_a_sufficient_concurrent_drain() {
    let (app, merchant, customer) = shop().await;
    send_to_shards(&app, customer, "purse", "shop", &[60]).await;
    let (client, mut gate) = app.engine.gated();
    let late = app.store_on(client);
    let withdrawal_of_ten = app.unkeyed(merchant, withdrawal("shop"), 10);
    let late = tokio::spawn(async move { post_transfer::execute(&late, withdrawal_of_ten).await });
    app.engine.round_trips();
    // Its own balance was insufficient, it has read the shards, and the drain is its next request.
    assert!(gate.let_one_through().await && gate.let_one_through().await);
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems", "Query"]);
    app.move_money(merchant, withdrawal("shop"), 20).await.unwrap();
    app.engine.round_trips();
    assert!(gate.let_one_through().await && gate.let_one_through().await);
    late.await.unwrap().unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 2]);
    assert_eq!(app.balance(merchant, "shop").await, 30);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn concurrent_drains_never_spend_the_same_amount() {
    let (app, merchant, customer) = shop().await;
    send_to_shards(&app, customer, "purse", "shop", &[10, 10, 10, 10, 10]).await;
    let spent = join_all((0..10).map(|_| app.move_money(merchant, withdrawal("shop"), 10))).await;
    let done = spent.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(done, 5, "{spent:?}");
    assert_eq!(app.balance(merchant, "shop").await, 0);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn books_balance_after_concurrent_credits_and_debits() {
    let (app, merchant, customer) = shop().await;
    send_to_shards(&app, customer, "purse", "shop", &[1]).await;
    let payments = join_all((0..40).map(|_| app.move_money(customer, send("purse", "shop"), 3)));
    let withdrawals = join_all((0..20).map(|_| app.move_money(merchant, withdrawal("shop"), 5)));
    let (paid, withdrawn) = futures_util::future::join(payments, withdrawals).await;
    assert!(paid.iter().all(Result::is_ok), "{paid:?}");
    let withdrawn = i64::try_from(withdrawn.iter().filter(|outcome| outcome.is_ok()).count()).unwrap();
    assert_eq!(app.balance(merchant, "shop").await, 121 - 5 * withdrawn);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn credit_rejected_by_a_shard_is_decided_by_the_account() {
    let (app, merchant, customer) = shop().await;
    let currency = text(Currency::parse("EUR").unwrap());
    for (name, bad, good) in [
        ("headroom", number(9), number(1000)),
        ("currency", currency, text(usd())),
        ("status", text("FROZEN"), text("FROZEN")),
    ] {
        set_on_shards(&app, "shop", name, bad).await;
        send_to_shards(&app, customer, "purse", "shop", &[10]).await;
        set_on_shards(&app, "shop", name, good).await;
    }
    assert_eq!((own_balance(&app, "shop").await, app.balance(merchant, "shop").await), (30, 30));
    app.freeze("shop").await;
    conflict_on_payee(&app, 1);
    let rejected = app.move_money(customer, send("purse", "shop"), 10).await;
    let frozen = FailureReason::AccountFrozen(Party::Payee);
    assert!(matches!(rejected, Err(PaymentError::Rejected { reason, .. }) if reason == frozen), "{rejected:?}");
    app.assert_books_balance().await;
}

#[tokio::test]
async fn balance_and_headroom_sum_to_the_maximum_balance() {
    let (app, merchant, customer) = shop().await;
    let total = async || {
        let items = app.items().await;
        let of_shop = items.iter().filter(|item| item["pk"] == text("ACCOUNT#shop"));
        let headroom: i64 = of_shop.map(|item| integer(item, "headroom")).sum();
        headroom + app.balance(merchant, "shop").await
    };
    assert_eq!(total().await, MAX_AMOUNT_MINOR);
    app.move_money(customer, send("purse", "shop"), 7).await.unwrap();
    send_to_shards(&app, customer, "purse", "shop", &[10, 20]).await;
    assert_eq!(total().await, MAX_AMOUNT_MINOR);
    app.move_money(merchant, withdrawal("shop"), 25).await.unwrap();
    assert_eq!(total().await, MAX_AMOUNT_MINOR);
}

#[tokio::test]
async fn keyed_opening_creates_shards_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let new = NewAccount::Debit { deposit: Some(amount(70)), write_shards: WriteShards::new(3).ok() };
    let opening = || {
        let request = IdempotentRequest::keyed(ada.id, "open", "k", &()).unwrap();
        open_account::execute(&app.store, app.opening(ada, "shop", &new, request))
    };
    let (first, again) = (opening().await.unwrap(), opening().await.unwrap());
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.value, again.value);
    assert_eq!(first.value.write_shards, WriteShards::new(3).ok());
    let items = app.items().await;
    let shards = items.iter().filter(|item| sort_key(item).starts_with("INTAKE#")).count();
    assert_eq!((shards, app.balance(ada, "shop").await), (3, 70));
    app.assert_books_balance().await;
}

#[tokio::test]
async fn credit_failing_on_shard_and_payer_is_decided_by_the_account() {
    let (app, _, customer) = shop().await;
    send_to_shards(&app, customer, "purse", "shop", &[5]).await;
    let command = app.unkeyed(customer, send("purse", "shop"), 5);
    let transfer = Transfer { currency: Currency::parse("EUR").unwrap(), ..command.transfer };
    let outcome = app.post(crate::store::transfers::PostTransfer { transfer, ..command }).await;
    assert!(
        matches!(outcome, Err(PaymentError::Rejected { reason: FailureReason::CurrencyMismatch(_), .. })),
        "{outcome:?}"
    );
}

/// A merchant with a DEBIT account without shards, a customer, and a function that gives accounts four shards.
async fn busy_shop() -> (TestApp, TestUser, TestUser, Store) {
    let app = TestApp::new().await;
    let (merchant, customer) = (app.user().await, app.user().await);
    app.open_debit(merchant, "shop", 5).await;
    app.open_debit(customer, "purse", 1000).await;
    app.engine.round_trips();
    let store = app.store.clone().with_auto_shards(WriteShards::new(4).ok());
    (app, merchant, customer, store)
}

/// Pays with this number of conflicts on the payee before.
async fn pay_after_conflicts(app: &TestApp, store: &Store, customer: TestUser, to: &str, conflicts: usize) {
    conflict_on_payee(app, conflicts);
    post_transfer::execute(store, app.unkeyed(customer, send("purse", to), 10)).await.unwrap();
}

/// The number of transactions since the last call.
fn attempts(app: &TestApp) -> usize {
    app.engine.round_trips().iter().filter(|name| *name == "TransactWriteItems").count()
}

async fn shards_of(app: &TestApp, id: &str) -> usize {
    let partition = text(format_args!("ACCOUNT#{id}"));
    app.items().await.iter().filter(|item| item["pk"] == partition).count() - 1
}

#[tokio::test]
async fn payment_with_many_conflicts_gives_the_payee_shards() {
    let (app, merchant, customer, store) = busy_shop().await;
    pay_after_conflicts(&app, &store, customer, "shop", 9).await;
    assert_eq!(shards_of(&app, "shop").await, 0);
    app.engine.round_trips();
    pay_after_conflicts(&app, &store, customer, "shop", 10).await;
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 11], "no round trip more");
    assert_eq!((shards_of(&app, "shop").await, own_balance(&app, "shop").await), (4, 25));
    pay_after_conflicts(&app, &store, customer, "shop", 0).await;
    assert_eq!((own_balance(&app, "shop").await, app.balance(merchant, "shop").await), (25, 35));
    let items = app.items().await;
    let headroom = items.iter().filter(|item| item["pk"] == text("ACCOUNT#shop")).map(|item| integer(item, "headroom"));
    assert_eq!(headroom.sum::<i64>() + 35, MAX_AMOUNT_MINOR);
    app.move_money(merchant, withdrawal("shop"), 35).await.unwrap();
    app.assert_books_balance().await;
}

#[tokio::test]
async fn payment_gives_no_shards_if_the_setting_is_off() {
    let (app, _, customer, store) = busy_shop().await;
    pay_after_conflicts(&app, &store.with_auto_shards(None), customer, "shop", 12).await;
    assert_eq!(shards_of(&app, "shop").await, 0);
}

#[tokio::test]
async fn payment_gives_no_shards_to_an_account_whose_owner_set_none() {
    let (app, merchant, customer, store) = busy_shop().await;
    set_write_shards(&app.store, merchant.id, &merchant.claims, &account("shop"), None).await.unwrap();
    app.engine.round_trips();
    pay_after_conflicts(&app, &store, customer, "shop", 12).await;
    assert_eq!(attempts(&app), 13);
    assert_eq!((shards_of(&app, "shop").await, own_balance(&app, "shop").await), (0, 15));
}

#[tokio::test]
async fn owner_who_sets_none_during_a_payment_gets_none() {
    let (app, merchant, customer, store) = busy_shop().await;
    // The function has learned before that the number was never set.
    pay_after_conflicts(&app, &store, customer, "shop", 1).await;
    set_write_shards(&app.store, merchant.id, &merchant.claims, &account("shop"), None).await.unwrap();
    pay_after_conflicts(&app, &store, customer, "shop", 12).await;
    assert_eq!((shards_of(&app, "shop").await, own_balance(&app, "shop").await), (0, 25));
}

#[tokio::test]
async fn payment_to_a_credit_account_gives_no_shards() {
    let (app, merchant, customer, store) = busy_shop().await;
    app.open(merchant, "card", NewAccount::Credit { limit: amount(500) }).await.unwrap();
    app.engine.round_trips();
    pay_after_conflicts(&app, &store, customer, "card", 12).await;
    assert_eq!(attempts(&app), 13);
    assert_eq!(shards_of(&app, "card").await, 0);
}

#[tokio::test]
async fn payment_uses_shards_that_another_has_just_given() {
    let (app, merchant, customer, store) = busy_shop().await;
    pay_after_conflicts(&app, &store, customer, "shop", 1).await;
    let other = app.store_on(app.engine.client.clone()).with_auto_shards(WriteShards::new(2).ok());
    pay_after_conflicts(&app, &other, customer, "shop", 10).await;
    pay_after_conflicts(&app, &store, customer, "shop", 10).await;
    assert_eq!(shards_of(&app, "shop").await, 2);
    assert_eq!((own_balance(&app, "shop").await, app.balance(merchant, "shop").await), (25, 35));
    app.assert_books_balance().await;
}

#[tokio::test]
async fn payment_to_a_frozen_or_full_account_gives_no_shards() {
    let (app, merchant, customer, store) = busy_shop().await;
    app.open_debit(merchant, "vault", MAX_AMOUNT_MINOR - 10).await;
    pay_after_conflicts(&app, &store, customer, "vault", 10).await;
    assert_eq!((shards_of(&app, "vault").await, own_balance(&app, "vault").await), (0, MAX_AMOUNT_MINOR));
    app.freeze("shop").await;
    conflict_on_payee(&app, 10);
    let rejected = post_transfer::execute(&store, app.unkeyed(customer, send("purse", "shop"), 10)).await;
    let frozen = FailureReason::AccountFrozen(Party::Payee);
    assert!(matches!(rejected, Err(PaymentError::Rejected { reason, .. }) if reason == frozen), "{rejected:?}");
    assert_eq!(shards_of(&app, "shop").await, 0);
}

#[tokio::test]
async fn insufficient_payer_gives_the_payee_no_shards() {
    let (app, _, customer, store) = busy_shop().await;
    conflict_on_payee(&app, 10);
    let rejected = post_transfer::execute(&store, app.unkeyed(customer, send("purse", "shop"), 5000)).await;
    let insufficient = FailureReason::InsufficientFunds;
    assert!(matches!(rejected, Err(PaymentError::Rejected { reason, .. }) if reason == insufficient), "{rejected:?}");
    assert_eq!(shards_of(&app, "shop").await, 0);
}

#[tokio::test]
async fn lost_response_of_a_payment_that_gave_shards_is_replayed() {
    let (app, merchant, customer, store) = busy_shop().await;
    let order = || app.keyed(customer, "dinner", send("purse", "shop"), 25);
    conflict_on_payee(&app, 10);
    let first = post_transfer::execute(&store, order()).await.unwrap();
    conflict_on_payee(&app, 10);
    let other = app.store_on(app.engine.client.clone()).with_auto_shards(WriteShards::new(4).ok());
    let again = post_transfer::execute(&other, order()).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!((shards_of(&app, "shop").await, app.balance(merchant, "shop").await), (4, 30));
}
