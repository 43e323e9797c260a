use super::*;
use crate::domain::{FailureReason, IdempotentRequest, NewAccount, Party};
use crate::testing::{TestApp, TestUser, account, amount};

#[tokio::test]
async fn payment_is_created_in_one_round_trip_for_its_owner() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.engine.round_trips();
    let payment = app.create_payment(ada, None).await;
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(app.stored_payment(ada, payment.reference).await, Some(payment.clone()));
    assert_eq!(app.stored_payment(bob, payment.reference).await, None);
    assert!(matches!(
        app.transition(bob, payment.reference, PaymentStatus::Pending).await,
        Err(PaymentError::PaymentNotFound)
    ));
}

#[tokio::test]
async fn keyed_creation_is_executed_once_and_replayed() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let create = |payload: i64| {
        let request = IdempotentRequest::keyed(ada.id, "create-payment", "k", &payload).unwrap();
        let payment = app.payment(ada, None);
        let reference = PaymentReference::new(&request, payment.created_at, &app.random);
        let payment = Payment { reference, ..payment };
        execute(&app.store, CreatePayment { payment, request, claims: ada.claims })
    };
    let first = create(1).await.unwrap();
    app.transition(ada, first.value.reference, PaymentStatus::Pending).await.unwrap();
    let again = create(1).await.unwrap();
    assert_eq!(again, Idempotent { replayed: true, ..first });
    let other = create(2).await;
    assert!(matches!(other, Err(PaymentError::KeyReused(_))), "{other:?}");
}

#[tokio::test]
async fn revoked_token_cannot_name_an_account_to_credit() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    app.replicate(ada.id, 1, 2).await;
    let create = |by: TestUser| {
        let (payment, request) = (app.payment(by, Some("ada")), IdempotentRequest::unkeyed(&app.random));
        execute(&app.store, CreatePayment { payment, request, claims: by.claims })
    };
    let outcome = create(ada).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
    create(ada.with_epoch(1)).await.unwrap();
}

#[tokio::test]
async fn payment_credits_only_a_suitable_account() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 0).await;
    app.open_debit(bob, "bob", 0).await;
    let loan = NewAccount::Loan { principal: amount(10), disburse_to: account("ada") };
    app.open(ada, "loan", loan).await.unwrap();
    let create = |account_id: &str, currency: &str| {
        let currency = Currency::parse(currency).unwrap();
        let payment = Payment { currency, ..app.payment(ada, Some(account_id)) };
        let request = IdempotentRequest::unkeyed(&app.random);
        execute(&app.store, CreatePayment { payment, request, claims: ada.claims })
    };
    for (account_id, currency, expected) in [
        ("bob", "USD", FailureReason::AccountNotFound(Party::Payee)),
        ("nobody", "USD", FailureReason::AccountNotFound(Party::Payee)),
        ("ada", "EUR", FailureReason::CurrencyMismatch(Party::Payee)),
    ] {
        let outcome = create(account_id, currency).await;
        assert!(matches!(outcome, Err(PaymentError::Rejected { reason, .. }) if reason == expected), "{outcome:?}");
    }
    assert!(matches!(create("loan", "USD").await, Err(PaymentError::WrongAccountType { .. })));
    assert!(create("ada", "USD").await.is_ok());
}

#[tokio::test]
async fn revoked_token_does_not_read_an_earlier_payment() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let request = IdempotentRequest::keyed(ada.id, "create-payment", "k", &1).unwrap();
    let payment = app.payment(ada, Some("ada"));
    let payment = Payment { reference: PaymentReference::new(&request, payment.created_at, &app.random), ..payment };
    let command = CreatePayment { payment, request, claims: ada.claims };
    execute(&app.store, command.clone()).await.unwrap();
    app.end(ada).await;
    let outcome = execute(&app.store, command).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
}
