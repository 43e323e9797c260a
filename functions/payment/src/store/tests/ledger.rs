use std::time::Duration;

use futures_util::future::join_all;
use kernel::MAX_AMOUNT_MINOR;

use super::*;
use crate::domain::{Party, Refusal};
use crate::store::item::transfer_key;

fn refusal(outcome: Result<Posted, PostError>) -> Refusal {
    match outcome {
        Err(PostError::Refused { refusal, .. }) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn money_moves_in_one_round_trip_and_both_positions_follow() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 0).await;
    world.engine.round_trips();

    let posted = world.post(ada, send("ada", "bob"), 30).await.unwrap();

    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert!(!posted.replayed);
    assert_eq!(world.position(ada, "ada").await, (70, 70, MAX_AMOUNT_MINOR - 70));
    assert_eq!(world.position(bob, "bob").await, (30, 30, MAX_AMOUNT_MINOR - 30));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn money_comes_in_and_goes_out() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    world.post(ada, deposit("ada"), 50).await.unwrap();
    world.post(ada, withdrawal("ada"), 20).await.unwrap();
    assert_eq!(world.balance(ada, "ada").await, 30);
    assert_eq!(refusal(world.post(ada, withdrawal("ada"), 31).await), Refusal::InsufficientFunds);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn each_rule_that_a_transfer_breaks_is_told_and_nothing_moves() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 100).await;
    world.debit(bob, "frozen", 100).await;
    world.freeze("frozen").await;
    let in_euros = |by: Person, posting: Posting| {
        let order = world.order(by, posting, 1);
        TransferOrder { transfer: Transfer { currency: Currency::parse("EUR").unwrap(), ..order.transfer }, ..order }
    };
    for (what, order, expected) in [
        ("no such payer", world.order(ada, send("nobody", "bob"), 1), Refusal::AccountNotFound(Party::Payer)),
        ("another's account pays", world.order(ada, send("bob", "ada"), 1), Refusal::AccountNotFound(Party::Payer)),
        ("no such payee", world.order(ada, send("ada", "nobody"), 1), Refusal::AccountNotFound(Party::Payee)),
        ("too much", world.order(ada, send("ada", "bob"), 101), Refusal::InsufficientFunds),
        ("frozen payee", world.order(ada, send("ada", "frozen"), 1), Refusal::AccountFrozen(Party::Payee)),
        ("frozen payer", world.order(bob, send("frozen", "ada"), 1), Refusal::AccountFrozen(Party::Payer)),
        ("another currency", in_euros(ada, send("ada", "bob")), Refusal::CurrencyMismatch(Party::Payer)),
        ("deposit to another's", world.order(ada, deposit("bob"), 1), Refusal::AccountNotFound(Party::Payee)),
        ("deposit to nobody's", world.order(ada, deposit("nobody"), 1), Refusal::AccountNotFound(Party::Payee)),
        ("withdraw another's", world.order(ada, withdrawal("bob"), 1), Refusal::AccountNotFound(Party::Payer)),
        ("beyond what fits", world.order(ada, deposit("ada"), MAX_AMOUNT_MINOR), Refusal::HeadroomExceeded),
    ] {
        assert_eq!(refusal(world.table.post(order).await), expected, "{what}");
    }
    assert_eq!((world.balance(ada, "ada").await, world.balance(bob, "bob").await), (100, 100));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_credit_account_pays_down_to_its_limit_and_not_below() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 0).await;
    world.open(ada, "card", NewAccount::Credit { limit: amount(100) }).await.unwrap();
    world.post(ada, send("card", "main"), 100).await.unwrap();
    assert_eq!(world.position(ada, "card").await, (-100, 0, MAX_AMOUNT_MINOR + 100));
    assert_eq!(refusal(world.post(ada, send("card", "main"), 1).await), Refusal::InsufficientFunds);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_loan_is_paid_back_to_zero_and_not_past_it_and_pays_nobody() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 50).await;
    let loan = NewAccount::Loan { principal: amount(100), disburse_to: account("main") };
    world.open(ada, "loan", loan).await.unwrap();
    assert_eq!((world.balance(ada, "main").await, world.balance(ada, "loan").await), (150, -100));

    assert_eq!(refusal(world.post(ada, send("loan", "main"), 1).await), Refusal::InsufficientFunds);
    assert_eq!(refusal(world.post(ada, send("main", "loan"), 101).await), Refusal::HeadroomExceeded);
    world.post(ada, send("main", "loan"), 100).await.unwrap();
    assert_eq!(world.position(ada, "loan").await, (0, 0, 0));
    assert_eq!(refusal(world.post(ada, send("main", "loan"), 1).await), Refusal::HeadroomExceeded);
    assert_eq!(refusal(world.post(ada, send("loan", "main"), 1).await), Refusal::InsufficientFunds);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_named_request_is_carried_out_once_and_answered_in_one_round_trip_ever_after() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 0).await;
    let first = world.table.post(world.named(ada, "k", send("ada", "bob"), 100)).await.unwrap();
    world.engine.round_trips();

    let again = world.table.post(world.named(ada, "k", send("ada", "bob"), 100)).await.unwrap();

    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(again, Posted { replayed: true, ..first });
    assert_eq!(world.balance(bob, "bob").await, 100);
}

#[tokio::test]
async fn the_same_name_for_another_request_is_refused() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 100).await;
    world.table.post(world.named(ada, "k", withdrawal("ada"), 10)).await.unwrap();
    let outcome = world.table.post(world.named(ada, "k", withdrawal("ada"), 11)).await;
    assert!(matches!(outcome, Err(PostError::KeyReused)), "{outcome:?}");
    assert_eq!(world.balance(ada, "ada").await, 90);
}

#[tokio::test]
async fn a_named_request_that_was_refused_stays_refused_when_the_money_is_there() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 5).await;
    let order = || world.named(ada, "k", withdrawal("ada"), 10);
    let first = world.table.post(order()).await;
    assert!(
        matches!(first, Err(PostError::Refused { refusal: Refusal::InsufficientFunds, replayed: false })),
        "{first:?}"
    );
    world.post(ada, deposit("ada"), 100).await.unwrap();
    let again = world.table.post(order()).await;
    assert!(
        matches!(again, Err(PostError::Refused { refusal: Refusal::InsufficientFunds, replayed: true })),
        "{again:?}"
    );
    assert_eq!(world.balance(ada, "ada").await, 105);
    let stored = world.item(transfer_key(order().transfer.id)).await.unwrap();
    assert_eq!(stored["status"], text("FAILED"));
    assert!(!stored.contains_key("order"), "a transfer that failed stands in no history");
    world.assert_books_balance().await;
}

#[tokio::test]
async fn an_unnamed_request_that_was_refused_leaves_nothing() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let before = world.items().await.len();
    refusal(world.post(ada, withdrawal("ada"), 10).await);
    assert_eq!(world.items().await.len(), before);
}

#[tokio::test]
async fn fifty_at_once_from_an_account_that_can_afford_ten() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 0).await;
    let outcomes = join_all((0..50).map(|_| world.post(ada, send("ada", "bob"), 10))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert_eq!((world.balance(ada, "ada").await, world.balance(bob, "bob").await), (0, 100));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn the_same_named_request_twenty_times_at_once_is_one_transfer() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 100).await;
    let outcomes = join_all((0..20).map(|_| world.table.post(world.named(ada, "k", withdrawal("ada"), 10)))).await;
    let posted: Vec<Posted> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(posted.iter().filter(|posted| !posted.replayed).count(), 1);
    assert!(posted.iter().all(|other| other.transfer == posted[0].transfer));
    assert_eq!(world.balance(ada, "ada").await, 90);
}

#[tokio::test]
async fn a_token_older_than_the_fence_moves_no_money() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 100).await;
    world.table.sync_user(&user(ada.id, 1), 2).await.unwrap();
    for posting in [send("ada", "bob"), withdrawal("ada"), deposit("ada")] {
        let outcome = world.post(ada, posting.clone(), 1).await;
        assert!(matches!(outcome, Err(PostError::Revoked)), "{posting:?}: {outcome:?}");
    }
    // What others send still arrives, and a newer token moves money again.
    world.post(bob, send("bob", "ada"), 1).await.unwrap();
    let renewed = Person { fence: Fence { epoch: 1, ..ada.fence }, ..ada };
    world.post(renewed, send("ada", "bob"), 1).await.unwrap();
}

#[tokio::test]
async fn a_token_of_a_session_that_ended_moves_no_money() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 100).await;
    let ended = aws_sdk_dynamodb::types::AttributeValue::Ss(vec![ada.fence.session.to_string()]);
    let update = world.engine.client.update_item().table_name("PaymentTable");
    let update = update.set_key(Some(account_key(&account("ada")))).update_expression("ADD revokedSessions :ended");
    update.expression_attribute_values(":ended", ended).send().await.unwrap();
    let outcome = world.post(ada, withdrawal("ada"), 1).await;
    assert!(matches!(outcome, Err(PostError::Revoked)), "{outcome:?}");
    let other = Person { fence: Fence { session: SessionId::random(&world.random), ..ada.fence }, ..ada };
    world.post(other, withdrawal("ada"), 1).await.unwrap();
}

#[tokio::test]
async fn a_transfer_in_conflict_with_others_is_tried_again() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 100).await;
    world.engine.round_trips();
    world.engine.raise_transaction_conflicts(3, 1, 2);
    world.post(ada, withdrawal("ada"), 1).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"; 4]);
    assert_eq!(world.balance(ada, "ada").await, 99);
}

#[tokio::test]
async fn a_transfer_that_never_gets_its_turn_gives_up_before_the_deadline() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 100).await;
    world.engine.raise_transaction_conflicts(usize::MAX, 1, 2);
    *world.clock.step.lock().unwrap() = Duration::from_millis(500);
    let deadline = Some(world.clock.now().plus(Duration::from_secs(3)));
    let order = TransferOrder { deadline, ..world.order(ada, withdrawal("ada"), 1) };
    let outcome = world.table.post(order).await;
    assert!(matches!(outcome, Err(PostError::Contention)), "{outcome:?}");
    world.engine.raise_transaction_conflicts(0, 1, 2);
    assert_eq!(world.balance(ada, "ada").await, 100);
}
