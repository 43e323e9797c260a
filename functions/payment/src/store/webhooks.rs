//! Webhooks of the provider. A webhook is recorded under its id by the transaction that applies it, so that it is applied
//! once.

use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use dynamo::{Item, Transaction, from_item, key, text};
use kernel::Timestamp;
use serde::Serialize;

use super::payments::{
    PaymentRecord, SettlementPart, TransitionOutcome, collection_leg, payment_key, transition_outcome,
};
use super::{Store, StoreError, item, with_sort_key};
use crate::domain::{Contradiction, Cursor, Payment, Report, Webhook, WebhookOutcome};

/// The time that a webhook is kept, longer than any provider retries a delivery.
const RETENTION: Duration = Duration::from_hours(24 * 90);

/// The `reconciliation` of the webhooks that wait for it.
const OPEN: &str = "OPEN";

/// The `outcome` of a webhook that can't be processed.
const UNPROCESSABLE: &str = "UNPROCESSABLE";

/// The maximum length of an unprocessable body that is kept, in bytes.
const MAX_KEPT_BODY: usize = 16 * 1024;

/// A payment and the record of a webhook, read together.
#[derive(Debug)]
pub struct PaymentAndWebhook {
    pub payment: Option<Payment>,
    pub recorded: Option<RecordedWebhook>,
}

/// A webhook that was received before.
#[derive(Debug)]
pub enum RecordedWebhook {
    Processed(Report),
    /// A required field was missing or invalid. A later delivery with the same id may be valid.
    Unprocessable,
}

/// An authentic webhook that can't be processed.
#[derive(Debug)]
pub struct UnprocessableWebhook<'a> {
    pub id: &'a str,
    pub body_hash: String,
    pub body: &'a [u8],
    pub received_at: Timestamp,
}

impl Store {
    /// Reads the payment of a webhook, and the record of the webhook if it was received before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn payment_and_webhook(&self, webhook: &Webhook) -> Result<PaymentAndWebhook, StoreError> {
        let keys = vec![payment_key(webhook.report.reference), webhook_key(&webhook.id)];
        let items = self.table.batch_get(keys).await?;
        let payment = with_sort_key(&items, "PAYMENT").cloned().map(from_item::<PaymentRecord>).transpose()?;
        let recorded = with_sort_key(&items, "WEBHOOK").map(recorded).transpose()?;
        Ok(PaymentAndWebhook { payment: payment.map(Payment::from), recorded })
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
        let build = |at| {
            let mut transaction = Transaction::new();
            if outcome == WebhookOutcome::Applied {
                self.add_transition(&mut transaction, payment, &webhook.report.transition(at), None)?;
            }
            let record = item(webhook_key(&webhook.id), WebhookRecord::new(webhook, outcome))?;
            transaction.add(SettlementPart::Webhook, self.put_webhook(record)?);
            Ok(transaction)
        };
        let transition = webhook.report.transition(webhook.received_at);
        let leg = collection_leg(payment, &transition).filter(|_| outcome == WebhookOutcome::Applied);
        let (committed, at) = match leg {
            Some(leg) => Box::pin(self.commit_with_credit(build, SettlementPart::Account, leg)).await?,
            None => self.table.commit_with_time(build).await?,
        };
        transition_outcome(&committed, at)
    }

    /// Records an authentic webhook that can't be processed, for reconciliation, unless a webhook with this id is recorded.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn record_unprocessable_webhook(&self, webhook: &UnprocessableWebhook<'_>) -> Result<(), StoreError> {
        let record = UnprocessableRecord {
            body_hash: &webhook.body_hash,
            body: String::from_utf8_lossy(webhook.body.get(..MAX_KEPT_BODY).unwrap_or(webhook.body)).into_owned(),
            outcome: UNPROCESSABLE,
            received_at: webhook.received_at,
            reconciliation: OPEN,
            order: Cursor::new(webhook.received_at, webhook.id).to_string(),
        };
        let item = item(webhook_key(webhook.id), record)?;
        self.table.put_item(item, |put| put.condition_expression("attribute_not_exists(pk)")).await.map(drop)
    }

    /// A put of a webhook that was not processed before.
    fn put_webhook(&self, record: Item) -> Result<TransactWriteItem, StoreError> {
        self.table.put(record, |put| {
            put.condition_expression("attribute_not_exists(pk) OR outcome = :unprocessable")
                .expression_attribute_values(":unprocessable", text(UNPROCESSABLE))
        })
    }
}

fn webhook_key(id: &str) -> Item {
    key(format_args!("WEBHOOK#{id}"), "WEBHOOK")
}

fn recorded(item: &Item) -> Result<RecordedWebhook, StoreError> {
    if item.get("outcome") == Some(&text(UNPROCESSABLE)) {
        return Ok(RecordedWebhook::Unprocessable);
    }
    Ok(RecordedWebhook::Processed(from_item(item.clone())?))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UnprocessableRecord<'a> {
    body_hash: &'a str,
    body: String,
    outcome: &'static str,
    received_at: Timestamp,
    reconciliation: &'static str,
    order: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookRecord<'a> {
    body_hash: &'a str,
    #[serde(flatten)]
    report: &'a Report,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    contradiction: Option<Contradiction>,
    received_at: Timestamp,
    /// With `order`, the key of the index in which webhooks for reconciliation are found. They don't expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    reconciliation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl<'a> WebhookRecord<'a> {
    fn new(webhook: &'a Webhook, outcome: WebhookOutcome) -> Self {
        let (outcome, contradiction) = match outcome {
            WebhookOutcome::Applied => ("APPLIED", None),
            WebhookOutcome::Repeated => ("REPEATED", None),
            WebhookOutcome::Stale => ("STALE", None),
            WebhookOutcome::Duplicate => ("DUPLICATE", None),
            WebhookOutcome::Contradicted(contradiction) => ("CONTRADICTED", Some(contradiction)),
        };
        let reconcile = contradiction.is_some();
        Self {
            body_hash: &webhook.body_hash,
            report: &webhook.report,
            outcome,
            contradiction,
            received_at: webhook.received_at,
            reconciliation: reconcile.then_some(OPEN),
            order: reconcile.then(|| Cursor::new(webhook.received_at, &webhook.id).to_string()),
            expires_at: (!reconcile).then(|| webhook.received_at.plus(RETENTION).unix_seconds()),
        }
    }
}
