use futures_util::future::join_all;

use super::*;
use crate::domain::PaymentStatus::{Failed, Initiated, Pending, Success};
use crate::domain::WebhookOutcome::Applied;
use crate::testing::TestApp;

#[tokio::test]
async fn invalid_transition_is_rejected_with_both_states() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    for (valid, invalid) in [
        (vec![], vec![Initiated, Success, Failed]),
        (vec![Pending], vec![Initiated, Pending]),
        (vec![Pending, Success], vec![Initiated, Pending, Success, Failed]),
        (vec![Pending, Failed], vec![Initiated, Pending, Success, Failed]),
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
        let payment = app.store.payment(reference, ada.id).await.unwrap().unwrap();
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
    app.engine.raise_conflicts("UpdateItem", 3);
    assert_eq!(app.transition(ada, payment.reference, Pending).await.unwrap().status, Pending);
    assert_eq!(app.engine.round_trips(), ["UpdateItem"; 4]);
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
        let succeeded: Vec<Payment> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert_eq!(succeeded.len(), 1);
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
        let command = app.owner_transition(ada, reference, Success);
        transition_payment(&app.store, &OwnerTransition { self_deposit: SelfDeposit::Disabled, ..command }).await
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
    assert!(matches!(outcome, Err(PaymentError::Revoked)), "{outcome:?}");
    assert_eq!(app.balance(ada, "ada").await, 0);
    assert_eq!(app.report("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(app.balance(ada, "ada").await, 2500);
}
