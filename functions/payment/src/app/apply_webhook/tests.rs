use dynamo::{key, text};
use futures_util::future::join_all;

use super::*;
use crate::domain::PaymentStatus::{Failed, Initiated, Pending, Success};
use crate::domain::WebhookOutcome::{Applied, Contradicted, Duplicate, Repeated, Stale};
use crate::domain::{Actor, InvalidTransition, ProviderTransactionId};
use crate::testing::{TestApp, account_key};

#[tokio::test]
async fn success_webhook_credits_the_account_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    app.engine.round_trips();
    assert_eq!(app.report("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(app.engine.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    assert_eq!(app.report("w1", reference, Success).await.unwrap(), (Success, Duplicate));
    assert_eq!(app.report("w2", reference, Success).await.unwrap(), (Success, Repeated));
    assert_eq!(app.balance(ada, "ada").await, 2500);
    let payment = app.store.payment(reference, ada.id).await.unwrap().unwrap();
    assert_eq!(payment.provider_transaction_id.unwrap().as_str(), "momo-1");
    assert_eq!(payment.history.last().map(|change| change.by), Some(Actor::Provider));
    app.assert_books_balance().await;
}

#[tokio::test]
async fn contended_collection_is_credited_to_a_shard_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_sharded(ada, "shop").await;
    let payment = app.create_pending_payment(ada, Some("shop")).await;
    for _ in 0..2 {
        app.engine.raise_transaction_conflicts(1, 2, 4);
        app.report("w-1", payment.reference, Success).await.unwrap();
        app.engine.raise_transaction_conflicts(0, 2, 4);
    }
    let own = app.item(account_key("shop")).await.unwrap();
    assert_eq!(own["balance"], dynamo::number(0), "the collection was credited to a shard");
    assert_eq!(app.balance(ada, "shop").await, payment.amount.minor());
    app.assert_books_balance().await;
}

#[tokio::test]
async fn collection_is_credited_to_a_frozen_account() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    app.freeze("ada").await;
    assert_eq!(app.report("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(app.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn webhook_outcome_follows_from_the_status() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_payment(ada, Some("ada")).await.reference;
    let early = app.report("w0", reference, Success).await;
    assert!(
        matches!(&early, Err(PaymentError::InvalidTransition(InvalidTransition { from: Initiated, to: Success }))),
        "{early:?}"
    );
    for (id, status, expected) in [
        ("w1", Pending, (Pending, Applied)),
        ("w2", Pending, (Pending, Repeated)),
        ("w3", Failed, (Failed, Applied)),
        ("w4", Failed, (Failed, Repeated)),
        ("w5", Pending, (Failed, Stale)),
        ("w6", Success, (Failed, Contradicted)),
        ("w6", Success, (Failed, Duplicate)),
    ] {
        assert_eq!(app.report(id, reference, status).await.unwrap(), expected, "{id}");
    }
    assert_eq!(app.balance(ada, "ada").await, 0, "a contradicting webhook is never applied");
    let recorded = app.item(key("WEBHOOK#w6", "WEBHOOK")).await.unwrap();
    assert_eq!(recorded["ownerStatus"], text("RECONCILIATION"));
    assert!(!recorded.contains_key("expiresAt"), "it is kept until it is reconciled");
    assert!(app.item(key("WEBHOOK#w1", "WEBHOOK")).await.unwrap().contains_key("expiresAt"));
    // A rejected webhook is not recorded, so it can be delivered again.
    assert!(app.item(key("WEBHOOK#w0", "WEBHOOK")).await.is_none());
}

#[tokio::test]
async fn second_success_is_recorded_for_reconciliation() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    app.report("w1", reference, Success).await.unwrap();
    let second = Webhook {
        provider_transaction_id: Some(ProviderTransactionId::parse("momo-2").unwrap()),
        ..app.webhook("w2", reference, Success)
    };
    let (payment, outcome) = apply_webhook(&app.store, &second).await.unwrap();
    assert_eq!((payment.status, outcome), (Success, Contradicted));
    assert_eq!(payment.provider_transaction_id.unwrap().as_str(), "momo-1");
    assert_eq!(app.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn webhook_id_reused_or_unknown_payment_is_rejected() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let reference = app.create_pending_payment(ada, None).await.reference;
    app.report("w1", reference, Pending).await.unwrap();
    assert!(matches!(app.report("w1", reference, Failed).await, Err(PaymentError::WebhookIdReused)));
    let unknown = app.payment(ada, None).reference;
    let outcome = app.report("w2", unknown, Success).await;
    assert!(matches!(outcome, Err(PaymentError::PaymentNotFound)), "{outcome:?}");
}

#[tokio::test]
async fn concurrent_deliveries_of_a_webhook_apply_it_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    let outcomes = join_all((0..10).map(|_| app.report("w1", reference, Success))).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Success, Applied)).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Success, Duplicate)).count(), 9);
    assert_eq!(app.balance(ada, "ada").await, 2500);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn one_of_contradicting_webhooks_is_applied() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    let (one, other) =
        futures_util::future::join(app.report("w1", reference, Success), app.report("w2", reference, Failed)).await;
    let mut outcomes = [one.unwrap().1, other.unwrap().1];
    outcomes.sort_by_key(|outcome| *outcome == Contradicted);
    assert_eq!(outcomes, [Applied, Contradicted]);
    app.assert_books_balance().await;
}
