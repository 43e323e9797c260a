use dynamo::{key, text};
use futures_util::future::join_all;

use super::*;
use crate::domain::PaymentStatus::{Failed, Initiated, Pending, Success};
use crate::domain::WebhookOutcome::{Applied, Contradicted, Duplicate, Repeated, Stale};
use crate::domain::{Actor, InvalidTransition, PaymentReference};
use crate::domain::{Contradiction, Report};
use crate::testing::{TestApp, account_key, provider_transaction};

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
    let payment = app.stored_payment(ada, reference).await.unwrap();
    assert_eq!(payment.provider_transaction_id.unwrap().as_str(), format!("momo-{reference}"));
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
        app.engine.raise_transaction_conflicts(1, 3, 5);
        app.report("w-1", payment.reference, Success).await.unwrap();
        app.engine.raise_transaction_conflicts(0, 3, 5);
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
        ("w6", Success, (Failed, Contradicted(Contradiction::Status))),
        ("w6", Success, (Failed, Duplicate)),
    ] {
        assert_eq!(app.report(id, reference, status).await.unwrap(), expected, "{id}");
    }
    assert_eq!(app.balance(ada, "ada").await, 0, "a contradicting webhook is never applied");
    let recorded = app.item(key("WEBHOOK#w6", "WEBHOOK")).await.unwrap();
    assert_eq!(recorded["reconciliation"], text("OPEN"));
    assert_eq!(recorded["contradiction"], text("STATUS"));
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
    let mut second = app.webhook("w2", reference, Success);
    second.report.provider_transaction_id = Some(provider_transaction("momo-2"));
    let (payment, outcome) = apply_webhook(&app.store, &second).await.unwrap();
    assert_eq!((payment.status, outcome), (Success, Contradicted(Contradiction::ProviderTransaction)));
    assert_eq!(payment.provider_transaction_id.unwrap().as_str(), format!("momo-{reference}"));
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
async fn concurrent_contradicting_webhooks_apply_one() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    let (one, other) =
        futures_util::future::join(app.report("w1", reference, Success), app.report("w2", reference, Failed)).await;
    let mut outcomes = [one.unwrap().1, other.unwrap().1];
    let contradicted = Contradicted(Contradiction::Status);
    outcomes.sort_by_key(|outcome| *outcome == contradicted);
    assert_eq!(outcomes, [Applied, contradicted]);
    app.assert_books_balance().await;
}

/// Applies a success with these changes of the report to a PENDING payment of 25.00 USD.
async fn report_success(
    app: &TestApp,
    id: &str,
    reference: PaymentReference,
    change: impl FnOnce(&mut Report),
) -> WebhookOutcome {
    let mut webhook = app.webhook(id, reference, Success);
    change(&mut webhook.report);
    apply_webhook(&app.store, &webhook).await.unwrap().1
}

#[tokio::test]
async fn provider_transaction_settles_one_payment() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let one = app.create_pending_payment(ada, Some("ada")).await.reference;
    let other = app.create_pending_payment(ada, Some("ada")).await.reference;
    let same = |report: &mut Report| report.provider_transaction_id = Some(provider_transaction("t-1"));
    assert_eq!(report_success(&app, "w1", one, same).await, Applied);
    let contradicted = Contradicted(Contradiction::ProviderTransaction);
    assert_eq!(report_success(&app, "w2", other, same).await, contradicted);
    assert_eq!(app.balance(ada, "ada").await, 2500);
    assert_eq!(app.stored_payment(ada, other).await.unwrap().status, Pending);
    let recorded = app.item(key("WEBHOOK#w2", "WEBHOOK")).await.unwrap();
    assert_eq!(recorded["contradiction"], text("PROVIDER_TRANSACTION"));
    assert_eq!(report_success(&app, "w3", other, |_| ()).await, Applied);
    assert_eq!(app.balance(ada, "ada").await, 5000);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn concurrent_payments_claim_a_provider_transaction_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let mut references = Vec::new();
    for _ in 0..5 {
        references.push(app.create_pending_payment(ada, Some("ada")).await.reference);
    }
    let outcomes = join_all(references.iter().enumerate().map(async |(index, reference)| {
        let same = |report: &mut Report| report.provider_transaction_id = Some(provider_transaction("t-1"));
        report_success(&app, &format!("w{index}"), *reference, same).await
    }));
    assert_eq!(outcomes.await.into_iter().filter(|outcome| *outcome == Applied).count(), 1);
    assert_eq!(app.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn success_with_other_provider_transaction_is_not_applied() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    let pending = app.create_payment(ada, Some("ada")).await.reference;
    app.report("w0", reference, Pending).await.unwrap();
    let mut first = app.webhook("w1", pending, Pending);
    first.report.provider_transaction_id = Some(provider_transaction("t-1"));
    assert_eq!(apply_webhook(&app.store, &first).await.unwrap().1, Applied);
    let other = |report: &mut Report| report.provider_transaction_id = Some(provider_transaction("t-2"));
    let contradicted = Contradicted(Contradiction::ProviderTransaction);
    assert_eq!(report_success(&app, "w2", pending, other).await, contradicted);
    assert_eq!(app.balance(ada, "ada").await, 0);
    let unnamed = |report: &mut Report| report.provider_transaction_id = None;
    assert_eq!(report_success(&app, "w3", pending, unnamed).await, Applied);
    let claimed = app.item(key("PROVIDER_TRANSACTION#momo#t-1", "PROVIDER_TRANSACTION")).await.unwrap();
    assert_eq!(claimed["reference"], text(pending));
}

#[tokio::test]
async fn success_with_another_amount_is_not_applied() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "ada", 0).await;
    let reference = app.create_pending_payment(ada, Some("ada")).await.reference;
    for (id, amount, currency) in [
        ("less", Some(2499), None),
        ("more", Some(2501), Some("USD")),
        ("negative", Some(-2500), None),
        ("another currency", Some(2500), Some("EUR")),
        ("unknown currency", None, Some("dollars")),
    ] {
        let change = |report: &mut Report| {
            report.amount = amount;
            report.currency = currency.map(str::to_owned);
        };
        let outcome = report_success(&app, id, reference, change).await;
        assert_eq!(outcome, Contradicted(Contradiction::Amount), "{id}");
    }
    assert_eq!(app.balance(ada, "ada").await, 0);
    let same = |report: &mut Report| {
        report.amount = Some(2500);
        report.currency = Some("usd".to_owned());
    };
    assert_eq!(report_success(&app, "w", reference, same).await, Applied);
    assert_eq!(app.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn same_report_with_different_body_is_a_duplicate() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let reference = app.create_pending_payment(ada, None).await.reference;
    app.report("w1", reference, Success).await.unwrap();
    let again = Webhook { body_hash: "another".to_owned(), ..app.webhook("w1", reference, Success) };
    assert_eq!(apply_webhook(&app.store, &again).await.unwrap().1, Duplicate);
}
