use std::sync::Arc;

use futures_util::future::join_all;

use super::*;
use crate::app::create_payment;
use crate::app::get_payment::get_payment;
use crate::app::list_accounts::list_accounts;
use crate::app::list_payments::list_payments;
use crate::domain::PaymentStatus::{Failed, Initiated, Pending, Success};
use crate::domain::WebhookOutcome::Applied;
use crate::domain::{IdempotentRequest, KeyReused};
use crate::store::payments::CreatePayment;
use crate::store::transfers::PageRange;
use crate::testing::{TestApp, TestUser, provider_transaction};

#[tokio::test]
async fn invalid_transition_is_rejected_with_both_states() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    for (valid, invalid) in [
        (vec![], vec![Initiated, Success, Failed]),
        (vec![Pending], vec![Initiated]),
        (vec![Pending, Success], vec![Initiated, Failed]),
        (vec![Pending, Failed], vec![Initiated, Success]),
    ] {
        let reference = app.create_payment(ada, None).await.reference;
        for to in &valid {
            app.transition(ada, reference, *to).await.unwrap();
        }
        let current = valid.last().copied().unwrap_or(Initiated);
        for to in invalid {
            let outcome = app.transition(ada, reference, to).await;
            let Err(PaymentError::InvalidTransition(transition)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(transition, InvalidTransition { from: current, to });
        }
        let payment = app.stored_payment(ada, reference).await.unwrap();
        let history: Vec<PaymentStatus> = payment.history.iter().map(|change| change.status).collect();
        assert_eq!(history, [vec![Initiated], valid].concat(), "the history of its statuses");
    }
}

#[tokio::test]
async fn conflicting_transition_is_retried() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let payment = app.create_payment(ada, None).await;
    app.engine.round_trips();
    app.engine.raise_transaction_conflicts(3, 0, 2);
    assert_eq!(app.transition(ada, payment.reference, Pending).await.unwrap().status, Pending);
    let read = ["BatchGetItem"].into_iter();
    assert_eq!(app.engine.round_trips(), read.chain(["TransactWriteItems"; 4]).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_of_concurrent_final_transitions_succeeds() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    for _ in 0..10 {
        let payment = app.create_pending_payment(ada, Some("ada")).await;
        let before = app.balance(ada, "ada").await;
        let transitions = [Success, Failed].repeat(5);
        let outcomes = join_all(transitions.into_iter().map(|to| app.transition(ada, payment.reference, to))).await;
        // A repetition of the transition that won succeeds too, and changes nothing.
        let succeeded: Vec<Payment> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert!(!succeeded.is_empty() && succeeded.iter().all(|payment| *payment == succeeded[0]), "{succeeded:?}");
        let credited = if succeeded[0].status == Success { 2500 } else { 0 };
        assert_eq!(app.balance(ada, "ada").await - before, credited);
    }
    app.assert_books_balance().await;
}

#[tokio::test]
async fn owner_cannot_credit_if_self_deposit_is_disabled() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let credited = app.create_pending_payment(ada, Some("ada")).await.reference;
    let uncredited = app.create_pending_payment(ada, None).await.reference;
    let report_success = async |reference| {
        let context = ada.context(IdempotentRequest::unkeyed(&app.random));
        let params = TransitionParams { reference, to: Success, provider_transaction_id: None };
        transition_payment(&app.store, &context, params, SelfDeposit::Disabled).await
    };
    let outcome = report_success(credited).await;
    assert!(matches!(outcome, Err(PaymentError::SelfDepositDisabled)), "{outcome:?}");
    assert!(report_success(uncredited).await.is_ok());
    assert_eq!(app.balance(ada, "ada").await, 0);
}

#[tokio::test]
async fn revoked_token_cannot_credit_but_the_provider_can() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    app.replicate(ada.id, 1, 2).await;
    let outcome = app.transition(ada, reference, Success).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
    assert_eq!(app.balance(ada, "ada").await, 0);
    assert_eq!(app.report("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(app.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn repeated_transition_returns_the_payment_unchanged() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let reference = app.create_payment(ada, None).await.reference;
    let pending = app.transition(ada, reference, Pending).await.unwrap();
    assert_eq!(app.transition(ada, reference, Pending).await.unwrap(), pending);
    app.report("w", reference, Success).await.unwrap();
    assert_eq!(app.transition(ada, reference, Pending).await.unwrap().status, Success);
    // The provider reported the success, not the owner.
    let outcome = app.transition(ada, reference, Success).await;
    assert!(matches!(outcome, Err(PaymentError::InvalidTransition(_))), "{outcome:?}");
}

async fn keyed_pending(
    app: &TestApp,
    by: TestUser,
    reference: PaymentReference,
    id: &str,
) -> Result<Idempotent<Payment>, PaymentError> {
    let request = IdempotentRequest::keyed(by.id, "update-payment-status", "k", &(reference, id)).unwrap();
    let params = TransitionParams { reference, to: Pending, provider_transaction_id: Some(provider_transaction(id)) };
    transition_payment(&app.store, &by.context(request), params, SelfDeposit::Enabled).await
}

#[tokio::test]
async fn keyed_transition_is_executed_once_and_replayed() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let reference = app.create_payment(ada, None).await.reference;
    let other = app.create_payment(ada, None).await.reference;
    let outcomes = join_all((0..5).map(|_| keyed_pending(&app, ada, reference, "t-1"))).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.replayed).count(), 1);
    let pending = outcomes[0].value.clone();
    assert!(outcomes.iter().all(|outcome| outcome.value == pending));
    // The response is the payment as it was after the transition.
    app.transition(ada, reference, Failed).await.unwrap();
    let replayed = keyed_pending(&app, ada, reference, "t-1").await.unwrap();
    assert_eq!(replayed, Idempotent { value: pending, replayed: true });
    for (reference, id) in [(reference, "t-2"), (other, "t-1")] {
        let outcome = keyed_pending(&app, ada, reference, id).await;
        assert!(matches!(outcome, Err(PaymentError::KeyReused(KeyReused))), "{outcome:?}");
    }
}

#[tokio::test]
async fn revoked_token_neither_changes_nor_reads_a_payment() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let other_session = app.in_new_session(ada);
    let reference = app.create_payment(ada, None).await.reference;
    let revoked = |outcome: Result<(), PaymentError>| matches!(outcome, Err(PaymentError::Revoked(_)));
    app.end(ada).await;
    assert!(revoked(app.transition(ada, reference, Pending).await.map(drop)));
    assert!(revoked(get_payment(&app.store, reference, ada.id, &ada.claims).await.map(drop)));
    let range = PageRange { limit: 10, ..PageRange::default() };
    assert!(revoked(list_payments(&app.store, ada.id, &ada.claims, None, &range).await.map(drop)));
    assert!(revoked(list_accounts(&app.store, ada.id, &ada.claims).await.map(drop)));
    let request = IdempotentRequest::unkeyed(&app.random);
    let create = CreatePayment { payment: app.payment(ada, None), request, claims: ada.claims };
    assert!(revoked(create_payment::execute(&app.store, create).await.map(drop)));
    assert_eq!(app.transition(other_session, reference, Pending).await.unwrap().status, Pending);
}

#[tokio::test]
async fn transition_with_concurrently_revoked_token_is_rejected() {
    let app = Arc::new(TestApp::new().await);
    let ada = app.user().await;
    let reference = app.create_payment(ada, None).await.reference;
    let meanwhile = app.clone();
    app.engine.before_next("TransactWriteItems", async move { meanwhile.end(ada).await });
    let outcome = app.transition(ada, reference, Pending).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
}
