use std::pin::Pin;
use std::time::Duration;

use dynamo::text;
use futures_util::future::join_all;
use kernel::{Currency, MAX_AMOUNT_MINOR};
use tokio::time::Instant;

use super::*;
use crate::domain::{NewAccount, Party, PaymentStatus};
use crate::testing::{TestApp, TestUser, account, account_key, amount, deposit, send, user, withdrawal};

fn failure(outcome: Result<Idempotent<Transfer>, PaymentError>) -> FailureReason {
    match outcome {
        Err(PaymentError::Rejected { reason, .. }) => reason,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn transfer_updates_both_accounts_in_one_round_trip() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 0).await;
    app.engine.round_trips();

    let posted = app.move_money(ada, send("ada", "bob"), 30).await.unwrap();

    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert!(!posted.replayed);
    assert_eq!(app.position(ada, "ada").await, (70, 70, MAX_AMOUNT_MINOR - 70));
    assert_eq!(app.position(bob, "bob").await, (30, 30, MAX_AMOUNT_MINOR - 30));
    app.assert_books_balance().await;
}

#[tokio::test]
async fn deposit_and_withdrawal_change_the_balance() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    app.move_money(ada, deposit("ada"), 50).await.unwrap();
    app.move_money(ada, withdrawal("ada"), 20).await.unwrap();
    assert_eq!(app.balance(ada, "ada").await, 30);
    assert_eq!(failure(app.move_money(ada, withdrawal("ada"), 31).await), FailureReason::InsufficientFunds);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn invalid_transfer_is_rejected_with_its_reason() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 100).await;
    app.open_debit(bob, "frozen", 100).await;
    app.freeze("frozen").await;
    let in_euros = |by: TestUser, posting: Posting| {
        let command = app.unkeyed(by, posting, 1);
        PostTransfer { transfer: Transfer { currency: Currency::parse("EUR").unwrap(), ..command.transfer }, ..command }
    };
    for (what, command, expected) in [
        ("unknown payer", app.unkeyed(ada, send("nobody", "bob"), 1), FailureReason::AccountNotFound(Party::Payer)),
        ("foreign payer", app.unkeyed(ada, send("bob", "ada"), 1), FailureReason::AccountNotFound(Party::Payer)),
        ("unknown payee", app.unkeyed(ada, send("ada", "nobody"), 1), FailureReason::AccountNotFound(Party::Payee)),
        ("insufficient funds", app.unkeyed(ada, send("ada", "bob"), 101), FailureReason::InsufficientFunds),
        ("frozen payee", app.unkeyed(ada, send("ada", "frozen"), 1), FailureReason::AccountFrozen(Party::Payee)),
        ("frozen payer", app.unkeyed(bob, send("frozen", "ada"), 1), FailureReason::AccountFrozen(Party::Payer)),
        ("other currency", in_euros(ada, send("ada", "bob")), FailureReason::CurrencyMismatch(Party::Payer)),
        (
            "deposit to a foreign account",
            app.unkeyed(ada, deposit("bob"), 1),
            FailureReason::AccountNotFound(Party::Payee),
        ),
        (
            "deposit to an unknown account",
            app.unkeyed(ada, deposit("nobody"), 1),
            FailureReason::AccountNotFound(Party::Payee),
        ),
        (
            "withdrawal from a foreign account",
            app.unkeyed(ada, withdrawal("bob"), 1),
            FailureReason::AccountNotFound(Party::Payer),
        ),
        ("beyond the headroom", app.unkeyed(ada, deposit("ada"), MAX_AMOUNT_MINOR), FailureReason::HeadroomExceeded),
    ] {
        assert_eq!(failure(app.post(command).await), expected, "{what}");
    }
    assert_eq!((app.balance(ada, "ada").await, app.balance(bob, "bob").await), (100, 100));
    app.assert_books_balance().await;
}

#[tokio::test]
async fn credit_account_can_be_debited_up_to_its_limit() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 0).await;
    app.open(ada, "card", NewAccount::Credit { limit: amount(100) }).await.unwrap();
    app.move_money(ada, send("card", "main"), 100).await.unwrap();
    assert_eq!(app.position(ada, "card").await, (-100, 0, MAX_AMOUNT_MINOR));
    assert_eq!(failure(app.move_money(ada, send("card", "main"), 1).await), FailureReason::InsufficientFunds);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn loan_is_credited_up_to_zero_and_never_debited() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 50).await;
    let loan = NewAccount::Loan { principal: amount(100), disburse_to: account("main") };
    app.open(ada, "loan", loan).await.unwrap();
    assert_eq!((app.balance(ada, "main").await, app.balance(ada, "loan").await), (150, -100));

    assert_eq!(failure(app.move_money(ada, send("loan", "main"), 1).await), FailureReason::InsufficientFunds);
    assert_eq!(failure(app.move_money(ada, send("main", "loan"), 101).await), FailureReason::HeadroomExceeded);
    app.move_money(ada, send("main", "loan"), 100).await.unwrap();
    assert_eq!(app.position(ada, "loan").await, (0, 0, 0));
    assert_eq!(failure(app.move_money(ada, send("main", "loan"), 1).await), FailureReason::HeadroomExceeded);
    assert_eq!(failure(app.move_money(ada, send("loan", "main"), 1).await), FailureReason::InsufficientFunds);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn keyed_request_is_executed_once_and_replayed() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 0).await;
    let first = app.post(app.keyed(ada, "k", send("ada", "bob"), 100)).await.unwrap();
    app.engine.round_trips();

    let again = app.post(app.keyed(ada, "k", send("ada", "bob"), 100)).await.unwrap();

    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(again, Idempotent { replayed: true, ..first });
    assert_eq!(app.balance(bob, "bob").await, 100);
}

#[tokio::test]
async fn key_with_a_different_payload_is_rejected() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.post(app.keyed(ada, "k", withdrawal("ada"), 10)).await.unwrap();
    let outcome = app.post(app.keyed(ada, "k", withdrawal("ada"), 11)).await;
    assert!(matches!(outcome, Err(PaymentError::KeyReused(_))), "{outcome:?}");
    assert_eq!(app.balance(ada, "ada").await, 90);
}

#[tokio::test]
async fn keyed_failure_is_replayed_after_the_account_is_funded() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 5).await;
    let command = || app.keyed(ada, "k", withdrawal("ada"), 10);
    let first = app.post(command()).await;
    assert!(
        matches!(first, Err(PaymentError::Rejected { reason: FailureReason::InsufficientFunds, replayed: false })),
        "{first:?}"
    );
    app.move_money(ada, deposit("ada"), 100).await.unwrap();
    let again = app.post(command()).await;
    assert!(
        matches!(again, Err(PaymentError::Rejected { reason: FailureReason::InsufficientFunds, replayed: true })),
        "{again:?}"
    );
    assert_eq!(app.balance(ada, "ada").await, 105);
    let stored = app.item(dynamo::key(format_args!("TRANSFER#{}", command().transfer.id), "TRANSFER")).await.unwrap();
    assert_eq!(stored["status"], text("FAILED"));
    assert!(!stored.contains_key("order"), "a failed transfer is not indexed");
    app.assert_books_balance().await;
}

#[tokio::test]
async fn unkeyed_failure_is_not_recorded() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let before = app.items().await.len();
    failure(app.move_money(ada, withdrawal("ada"), 10).await);
    assert_eq!(app.items().await.len(), before);
}

#[tokio::test]
async fn concurrent_debits_never_overdraw_the_account() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 0).await;
    let outcomes = join_all((0..50).map(|_| app.move_money(ada, send("ada", "bob"), 10))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert_eq!((app.balance(ada, "ada").await, app.balance(bob, "bob").await), (0, 100));
    app.assert_books_balance().await;
}

#[tokio::test]
async fn concurrent_requests_with_one_key_post_one_transfer() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    let outcomes = join_all((0..20).map(|_| app.post(app.keyed(ada, "k", withdrawal("ada"), 10)))).await;
    let posted: Vec<Idempotent<Transfer>> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(posted.iter().filter(|posted| !posted.replayed).count(), 1);
    assert!(posted.iter().all(|other| other.value == posted[0].value));
    assert_eq!(app.balance(ada, "ada").await, 90);
}

#[tokio::test]
async fn token_with_an_old_epoch_cannot_move_money() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 100).await;
    app.replicate(ada.id, 1, 2).await;
    for posting in [send("ada", "bob"), withdrawal("ada"), deposit("ada")] {
        let outcome = app.move_money(ada, posting.clone(), 1).await;
        assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{posting:?}: {outcome:?}");
    }
    // The account is still credited by others, and a newer token can move money.
    app.move_money(bob, send("bob", "ada"), 1).await.unwrap();
    app.move_money(ada.with_epoch(1), send("ada", "bob"), 1).await.unwrap();
}

#[tokio::test]
async fn token_of_an_ended_session_cannot_move_money() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    let ended = aws_sdk_dynamodb::types::AttributeValue::Ss(vec![ada.claims.session.to_string()]);
    app.set(account_key("ada"), "revokedSessions", ended).await;
    let outcome = app.move_money(ada, withdrawal("ada"), 1).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
    app.move_money(app.in_new_session(ada), withdrawal("ada"), 1).await.unwrap();
}

#[tokio::test]
async fn conflicting_transfer_is_retried() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.engine.round_trips();
    app.engine.raise_transaction_conflicts(3, 1, 2);
    app.move_money(ada, withdrawal("ada"), 1).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 4]);
    assert_eq!(app.balance(ada, "ada").await, 99);
}

#[tokio::test]
async fn conflicting_transfer_fails_before_the_deadline() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.engine.raise_transaction_conflicts(usize::MAX, 1, 2);
    tokio::time::pause();
    let start = Instant::now();
    let post = app.post(app.unkeyed(ada, withdrawal("ada"), 1));
    let outcome = deadline::with_time_left(Duration::from_secs(3), Box::pin(post)).await;
    let elapsed = start.elapsed();
    tokio::time::resume();
    assert!(matches!(outcome, Err(PaymentError::Conflict)), "{outcome:?}");
    assert!(elapsed > Duration::from_secs(2) && elapsed <= Duration::from_millis(2500), "{elapsed:?}");
    app.engine.raise_transaction_conflicts(0, 1, 2);
    assert_eq!(app.balance(ada, "ada").await, 100);
}

#[tokio::test]
async fn throttled_transfer_is_retried_with_growing_pauses() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.engine.round_trips();
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
        app.engine.cancel_transactions(usize::MAX, &["None", code]);
        tokio::time::pause();
        let outcome = app.move_money(ada, withdrawal("ada"), 1).await;
        tokio::time::resume();
        assert!(matches!(outcome, Err(PaymentError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
        let attempts = app.engine.round_trips().len();
        assert!((4..=20).contains(&attempts), "{attempts} attempts");
    }
    app.engine.cancel_transactions(2, &["None", "ThrottlingError"]);
    app.move_money(ada, withdrawal("ada"), 1).await.unwrap();
    assert_eq!(app.balance(ada, "ada").await, 99);
}

#[tokio::test]
async fn failed_condition_beside_a_conflict_is_retried() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.engine.round_trips();
    let mixed = ["TransactionConflict", "ConditionalCheckFailed"];
    app.engine.cancel_transactions(2, &mixed);
    app.post(app.keyed(ada, "k", withdrawal("ada"), 1)).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 3]);

    app.engine.cancel_transactions(usize::MAX, &mixed);
    tokio::time::pause();
    let outcome = app.post(app.keyed(ada, "l", withdrawal("ada"), 1)).await;
    tokio::time::resume();
    assert!(matches!(outcome, Err(PaymentError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
    app.engine.cancel_transactions(0, &mixed);
    app.post(app.keyed(ada, "l", withdrawal("ada"), 1)).await.unwrap();
    assert_eq!(app.balance(ada, "ada").await, 98);
}

#[tokio::test]
async fn unkeyed_transfer_whose_response_was_lost_succeeds_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    let command = app.unkeyed(ada, withdrawal("ada"), 1);
    app.post(command.clone()).await.unwrap();
    // The second attempt of the same request.
    let outcome = app.post(command).await.unwrap();
    assert!(!outcome.replayed);
    assert_eq!(app.balance(ada, "ada").await, 99);
}

type Operation<'a> = Pin<Box<dyn Future<Output = Result<(), PaymentError>> + 'a>>;

#[tokio::test]
async fn calls_to_an_unresponsive_store_end_before_the_deadline() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    let payment = app.create_pending_payment(ada, Some("ada")).await;
    app.engine.suspend();
    tokio::time::pause();
    let operations: [Operation<'_>; 3] = [
        Box::pin(async { app.move_money(ada, withdrawal("ada"), 1).await.map(drop) }),
        Box::pin(async { app.report("w", payment.reference, PaymentStatus::Success).await.map(drop) }),
        Box::pin(async { app.transition(ada, payment.reference, PaymentStatus::Failed).await.map(drop) }),
    ];
    for operation in operations {
        let start = Instant::now();
        let outcome = deadline::with_time_left(Duration::from_secs(6), operation).await;
        assert!(matches!(outcome, Err(PaymentError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
        assert!(start.elapsed() < Duration::from_millis(5_600), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn conflict_after_a_lost_response_proves_nothing() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.engine.lose_response("TransactWriteItems");
    app.engine.raise_transaction_conflicts(usize::MAX, 1, 2);
    let post = app.post(app.unkeyed(ada, withdrawal("ada"), 1));
    let outcome = deadline::with_time_left(Duration::from_secs(1), Box::pin(post)).await;
    assert!(matches!(outcome, Err(PaymentError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
    assert_eq!(app.balance(ada, "ada").await, 99);
}

#[tokio::test]
async fn rejection_after_a_lost_response_proves_nothing() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    for (command, expected) in [
        (app.unkeyed(ada, withdrawal("ada"), 101), "unavailable"),
        (app.keyed(ada, "k", withdrawal("ada"), 101), "rejected"),
    ] {
        app.engine.lose_response("TransactWriteItems");
        let outcome = match app.post(command).await {
            Err(PaymentError::Store(StoreError::Unavailable(_))) => "unavailable",
            Err(PaymentError::Rejected { reason: FailureReason::InsufficientFunds, .. }) => "rejected",
            other => panic!("{other:?}"),
        };
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn revocation_after_a_lost_response_proves_nothing() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 100).await;
    app.engine.lose_response("TransactWriteItems");
    app.engine.raise_transaction_conflicts(1, 1, 2);
    let (store, revoked) = (app.store.clone(), user(ada.id, 1));
    app.engine.before_next("TransactWriteItems", async move { store.replicate_user(&revoked, 2).await.unwrap() });
    let outcome = app.move_money(ada, withdrawal("ada"), 1).await;
    assert!(matches!(outcome, Err(PaymentError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
    assert_eq!(app.balance(ada, "ada").await, 99);
}
