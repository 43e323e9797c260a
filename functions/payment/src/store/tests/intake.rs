use futures_util::future::join_all;
use kernel::MAX_AMOUNT_MINOR;

use super::*;
use crate::domain::{Party, Refusal};
use crate::store::item::{Reader, number};

/// Makes the next transfer between two accounts meet another one at its payee, so many times.
fn meet_another_at_the_payee(world: &World, times: usize) {
    world.engine.raise_transaction_conflicts(times, 2, 3);
}

/// Pays one by one so that each goes to a shard.
async fn pay_into_shards(world: &World, payer: Person, from: &str, to: &str, minor: &[i64]) {
    for minor in minor {
        meet_another_at_the_payee(world, 1);
        world.post(payer, send(from, to), *minor).await.unwrap();
    }
}

/// A merchant with nothing in the account, and somebody with a thousand to pay.
async fn shop() -> (World, Person, Person) {
    let world = World::new().await;
    let (merchant, customer) = (world.person().await, world.person().await);
    world.merchant(merchant, "shop").await;
    world.debit(customer, "purse", 1000).await;
    world.engine.round_trips();
    (world, merchant, customer)
}

/// The account's own balance.
async fn own_balance(world: &World, id: &str) -> i64 {
    let item = world.item(account_key(&account(id))).await.unwrap();
    Reader(&item).integer("balance").unwrap()
}

/// Changes an attribute of every shard of an account.
async fn set(world: &World, id: &str, name: &str, value: aws_sdk_dynamodb::types::AttributeValue) {
    let pk = format!("ACCOUNT#{id}");
    let is_one = |item: &&Item| {
        Reader(item).text("pk").unwrap() == pk && Reader(item).text("sk").unwrap().starts_with("INTAKE#")
    };
    let items = world.items().await;
    assert!(items.iter().any(|item| is_one(&item)));
    for item in items.iter().filter(is_one) {
        let update = world.engine.client.update_item().table_name("PaymentTable");
        let update = update.key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value.clone()).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_payment_that_meets_nobody_goes_to_the_account_in_one_round_trip() {
    let (world, _, customer) = shop().await;
    world.post(customer, send("purse", "shop"), 30).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(own_balance(&world, "shop").await, 30);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn one_that_meets_another_looks_for_shards_once_and_those_after_it_go_to_them_at_once() {
    let (world, merchant, customer) = shop().await;
    meet_another_at_the_payee(&world, 1);
    world.post(customer, send("purse", "shop"), 30).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems", "Query", "TransactWriteItems"]);
    world.post(customer, send("purse", "shop"), 12).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(own_balance(&world, "shop").await, 0);
    assert_eq!(world.balance(merchant, "shop").await, 42);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn before_a_payee_without_shards_a_function_looks_once_and_payments_wait_their_turn() {
    let (world, merchant, customer) = shop().await;
    world.debit(merchant, "kiosk", 0).await;
    world.engine.round_trips();
    meet_another_at_the_payee(&world, 3);
    world.post(customer, send("purse", "kiosk"), 30).await.unwrap();
    let tries = ["TransactWriteItems", "Query", "TransactWriteItems", "TransactWriteItems", "TransactWriteItems"];
    assert_eq!(world.engine.round_trips(), tries);
    meet_another_at_the_payee(&world, 1);
    world.post(customer, send("purse", "kiosk"), 12).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"; 2]);
    assert_eq!(world.balance(merchant, "kiosk").await, 42);
}

#[tokio::test]
async fn a_payer_who_meets_another_looks_for_no_shards() {
    let (world, _, customer) = shop().await;
    world.engine.raise_transaction_conflicts(2, 1, 3);
    world.post(customer, send("purse", "shop"), 30).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"; 3]);
}

#[tokio::test]
async fn what_shards_hold_can_be_spent_to_the_last_unit_and_no_further() {
    let (world, merchant, customer) = shop().await;
    world.post(customer, send("purse", "shop"), 5).await.unwrap();
    pay_into_shards(&world, customer, "purse", "shop", &[10, 20, 30]).await;
    assert_eq!(world.position(merchant, "shop").await.1, 65);
    world.engine.round_trips();

    world.post(merchant, withdrawal("shop"), 4).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"], "its own balance was enough");
    world.post(merchant, send("shop", "purse"), 41).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems", "Query", "TransactWriteItems"]);
    assert_eq!((own_balance(&world, "shop").await, world.balance(merchant, "shop").await), (20, 20));
    world.assert_books_balance().await;

    let refused = world.post(merchant, withdrawal("shop"), 21).await;
    assert!(matches!(refused, Err(PostError::Refused { refusal: Refusal::InsufficientFunds, .. })), "{refused:?}");
    world.post(merchant, withdrawal("shop"), 20).await.unwrap();
    assert_eq!(world.balance(merchant, "shop").await, 0);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_named_refusal_stands_though_shards_have_taken_in_money_since() {
    let (world, merchant, customer) = shop().await;
    pay_into_shards(&world, customer, "purse", "shop", &[10]).await;
    let order = || world.named(merchant, "rent", withdrawal("shop"), 11);
    let is_refused = |outcome: Result<Posted, PostError>, as_before: bool| matches!(outcome, Err(PostError::Refused { refusal: Refusal::InsufficientFunds, replayed }) if replayed == as_before);
    assert!(is_refused(world.table.post(order()).await, false));
    pay_into_shards(&world, customer, "purse", "shop", &[10]).await;
    assert!(is_refused(world.table.post(order()).await, true));
    assert_eq!(world.balance(merchant, "shop").await, 20);
}

#[tokio::test]
async fn a_named_payment_into_a_shard_is_made_once() {
    let (world, merchant, customer) = shop().await;
    let order = || world.named(customer, "dinner", send("purse", "shop"), 25);
    meet_another_at_the_payee(&world, 1);
    let first = world.table.post(order()).await.unwrap();
    let again = world.table.post(order()).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.transfer, again.transfer);
    assert_eq!(world.balance(merchant, "shop").await, 25);
}

#[tokio::test]
async fn who_finds_that_another_has_drawn_enough_for_both_draws_nothing() {
    let (world, merchant, customer) = shop().await;
    pay_into_shards(&world, customer, "purse", "shop", &[60]).await;
    let (client, mut gate) = world.engine.gated();
    let late = Table::new(client, "PaymentTable", world.clock.clone(), SeededRandom::new(3));
    let order = world.order(merchant, withdrawal("shop"), 10);
    let late = tokio::spawn(async move { late.post(order).await });
    world.engine.round_trips();
    // It is short, has looked at the shards, and is about to draw.
    assert!(gate.let_one_through().await && gate.let_one_through().await);
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems", "Query"]);
    world.post(merchant, withdrawal("shop"), 20).await.unwrap();
    world.engine.round_trips();
    assert!(gate.let_one_through().await && gate.let_one_through().await);
    late.await.unwrap().unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"; 2]);
    assert_eq!(world.balance(merchant, "shop").await, 30);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn of_many_who_draw_at_once_nobody_draws_what_another_has_drawn() {
    let (world, merchant, customer) = shop().await;
    pay_into_shards(&world, customer, "purse", "shop", &[10, 10, 10, 10, 10]).await;
    let spent = join_all((0..10).map(|_| world.post(merchant, withdrawal("shop"), 10))).await;
    let done = spent.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(done, 5, "{spent:?}");
    assert_eq!(world.balance(merchant, "shop").await, 0);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn payments_and_withdrawals_at_once_leave_the_books_balanced() {
    let (world, merchant, customer) = shop().await;
    pay_into_shards(&world, customer, "purse", "shop", &[1]).await;
    let payments = join_all((0..40).map(|_| world.post(customer, send("purse", "shop"), 3)));
    let withdrawals = join_all((0..20).map(|_| world.post(merchant, withdrawal("shop"), 5)));
    let (paid, withdrawn) = futures_util::future::join(payments, withdrawals).await;
    assert!(paid.iter().all(Result::is_ok), "{paid:?}");
    let withdrawn = i64::try_from(withdrawn.iter().filter(|outcome| outcome.is_ok()).count()).unwrap();
    assert_eq!(world.balance(merchant, "shop").await, 121 - 5 * withdrawn);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn where_a_shard_does_not_take_a_payment_the_account_does_or_says_why_not() {
    let (world, merchant, customer) = shop().await;
    let currency = text(Currency::parse("EUR").unwrap());
    for (name, bad, good) in [
        ("headroom", number(9), number(1000)),
        ("currency", currency, text(usd())),
        ("status", text("FROZEN"), text("FROZEN")),
    ] {
        set(&world, "shop", name, bad).await;
        pay_into_shards(&world, customer, "purse", "shop", &[10]).await;
        set(&world, "shop", name, good).await;
    }
    assert_eq!((own_balance(&world, "shop").await, world.balance(merchant, "shop").await), (30, 30));
    world.freeze("shop").await;
    meet_another_at_the_payee(&world, 1);
    let refused = world.post(customer, send("purse", "shop"), 10).await;
    let frozen = Refusal::AccountFrozen(Party::Payee);
    assert!(matches!(refused, Err(PostError::Refused { refusal, .. }) if refusal == frozen), "{refused:?}");
    world.assert_books_balance().await;
}

#[tokio::test]
async fn an_account_and_its_shards_together_never_hold_more_than_an_account_may() {
    let (world, merchant, customer) = shop().await;
    let room = async || {
        let items = world.items().await;
        let of_shop = items.iter().filter(|item| Reader(item).text("pk").unwrap() == "ACCOUNT#shop");
        let headroom: i64 = of_shop.map(|item| Reader(item).integer::<i64>("headroom").unwrap()).sum();
        headroom + world.balance(merchant, "shop").await
    };
    assert_eq!(room().await, MAX_AMOUNT_MINOR);
    world.post(customer, send("purse", "shop"), 7).await.unwrap();
    pay_into_shards(&world, customer, "purse", "shop", &[10, 20]).await;
    assert_eq!(room().await, MAX_AMOUNT_MINOR);
    world.post(merchant, withdrawal("shop"), 25).await.unwrap();
    assert_eq!(room().await, MAX_AMOUNT_MINOR);
}

#[tokio::test]
async fn an_account_with_shards_opens_once_for_a_named_request() {
    let world = World::new().await;
    let ada = world.person().await;
    let new = NewAccount::Debit { deposit: Some(amount(70)), intake_shards: IntakeShards::new(3).ok() };
    let opening = || {
        let request = Request::named(ada.id, "open", "k", &()).unwrap();
        world.table.open(world.opening(ada, "shop", &new, request))
    };
    let (first, again) = (opening().await.unwrap(), opening().await.unwrap());
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.account, again.account);
    assert_eq!(first.account.intake_shards, IntakeShards::new(3).ok());
    let items = world.items().await;
    let shards = items.iter().filter(|item| Reader(item).text("sk").unwrap().starts_with("INTAKE#")).count();
    assert_eq!((shards, world.balance(ada, "shop").await), (3, 70));
    world.assert_books_balance().await;
}
