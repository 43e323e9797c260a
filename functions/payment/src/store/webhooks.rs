//! Webhooks of the provider. A webhook is recorded under its id by the transaction that applies it, so that it is applied
//! once.

use std::time::Duration;

use dynamo::{Item, Transaction, TransactionOutcome, from_item, key};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};

use super::payments::{PaymentRecord, SettlementPart, TransitionOutcome, payment_key, rejected};
use super::{Store, StoreError, item, with_sort_key};
use crate::domain::{Cursor, Payment, PaymentReference, PaymentStatus, ProviderTransactionId, Webhook, WebhookOutcome};

/// The time that a webhook is kept, longer than any provider retries a delivery.
const RETENTION: Duration = Duration::from_hours(24 * 90);

/// The `ownerStatus` of the webhooks that wait for reconciliation.
const RECONCILIATION: &str = "RECONCILIATION";

/// A payment and the record of a webhook, read together.
#[derive(Debug)]
pub struct PaymentAndWebhook {
    pub payment: Option<Payment>,
    /// The hash of the body under which the webhook was recorded.
    pub recorded_body_hash: Option<String>,
}

impl Store {
    /// Reads the payment of a webhook, and the record of the webhook if it was received before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn payment_and_webhook(&self, webhook: &Webhook) -> Result<PaymentAndWebhook, StoreError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Recorded {
            body_hash: String,
        }
        let items = self.table.batch_get(vec![payment_key(webhook.reference), webhook_key(&webhook.id)]).await?;
        let payment = with_sort_key(&items, "PAYMENT").cloned().map(from_item::<PaymentRecord>).transpose()?;
        let recorded = with_sort_key(&items, "WEBHOOK").cloned().map(from_item::<Recorded>).transpose()?;
        Ok(PaymentAndWebhook {
            payment: payment.map(Payment::from),
            recorded_body_hash: recorded.map(|recorded| recorded.body_hash),
        })
    }

    /// Records a webhook with this outcome, and if it is [`WebhookOutcome::Applied`], applies it to the payment in the same
    /// transaction. A collection is credited even to a frozen account, because the customer has paid.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn record_webhook(
        &self,
        webhook: &Webhook,
        payment: &Payment,
        outcome: WebhookOutcome,
    ) -> Result<TransitionOutcome, StoreError> {
        let mut transaction = Transaction::new();
        let mut collection = None;
        if outcome == WebhookOutcome::Applied {
            let transition = webhook.transition();
            collection = payment.collection(&transition);
            self.add_transition(&mut transaction, payment, &transition, collection.as_ref(), None)?;
        }
        let record = item(webhook_key(&webhook.id), WebhookRecord::new(webhook, outcome))?;
        transaction.add(SettlementPart::Webhook, self.table.put_new(record)?);
        let committed = match &collection {
            Some(collection) => Box::pin(self.commit_collection(transaction, collection)).await?,
            None => self.table.commit(&transaction).await?,
        };
        match committed {
            TransactionOutcome::Committed => Ok(TransitionOutcome::Committed),
            TransactionOutcome::Conflict => Ok(TransitionOutcome::Conflict),
            TransactionOutcome::ConditionFailed(failed) => rejected(&failed),
        }
    }
}

fn webhook_key(id: &str) -> Item {
    key(format_args!("WEBHOOK#{id}"), "WEBHOOK")
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookRecord<'a> {
    body_hash: &'a str,
    reference: PaymentReference,
    status: PaymentStatus,
    outcome: WebhookOutcome,
    received_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_transaction_id: Option<&'a ProviderTransactionId>,
    /// With `order`, the key of the index in which webhooks for reconciliation are found. They don't expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl<'a> WebhookRecord<'a> {
    fn new(webhook: &'a Webhook, outcome: WebhookOutcome) -> Self {
        let reconcile = outcome == WebhookOutcome::Contradicted;
        Self {
            body_hash: &webhook.body_hash,
            reference: webhook.reference,
            status: webhook.status,
            outcome,
            received_at: webhook.received_at,
            provider_transaction_id: webhook.provider_transaction_id.as_ref(),
            owner_status: reconcile.then_some(RECONCILIATION),
            order: reconcile.then(|| Cursor::new(webhook.received_at, &webhook.id).to_string()),
            expires_at: (!reconcile).then(|| webhook.received_at.plus(RETENTION).unix_seconds()),
        }
    }
}
