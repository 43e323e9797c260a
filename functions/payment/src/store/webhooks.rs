//! What a provider's webhooks do to payments, each of them once.
//!
//! The record of a webhook is written in the transaction that applies it, under its id: if it is there, the webhook came
//! before.

use std::future::Future;
use std::time::Duration;

use dynamo::compat::TransactionOutcome;
use kernel::Timestamp;

use super::item::{Item, Reader, key, number, text};
use super::payments::{AdvanceError, Part, payment_key, read_payment, refusal_of};
use super::{StoreError, Table};
use crate::domain::{Actor, Advance, Payment, PaymentReference, PaymentStatus, Place, ProviderTransactionId};

/// How long a webhook is remembered: longer than any provider tries to deliver one.
const RETENTION: Duration = Duration::from_hours(24 * 90);
/// How often a webhook is considered anew because the payment moved under it.
const ATTEMPTS: usize = 4;

/// A webhook that is authentic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What it is known by when it comes again.
    pub id: String,
    /// The hash of its body.
    pub body_hash: String,
    /// The payment it is about.
    pub reference: PaymentReference,
    /// Where the provider says that the payment stands.
    pub status: PaymentStatus,
    /// The provider's own id of the payment.
    pub provider_transaction_id: Option<ProviderTransactionId>,
    /// When it was received.
    pub received_at: Timestamp,
    /// When there must be an answer.
    pub deadline: Option<Timestamp>,
}

/// What a webhook came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The payment took the step.
    Applied,
    /// It stood there already.
    Repeated,
    /// It has gone on since.
    Stale,
    /// It had come to the opposite end, or to success by another transaction of the provider's: written down for reconciliation, and not applied.
    Contradicted,
    /// The webhook came before.
    Duplicate,
}

/// Why a webhook was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Another body came under this id.
    #[error("the webhook's id was used for another body")]
    IdReused,
    /// The payment cannot take the step, or there is none.
    #[error(transparent)]
    Advance(#[from] AdvanceError),
}

impl From<StoreError> for WebhookError {
    fn from(error: StoreError) -> Self {
        Self::Advance(error.into())
    }
}

/// Takes in webhooks.
pub trait ApplyWebhook {
    /// Does what the webhook says, once, and answers with the payment as it then stands. MUST write the webhook down with
    /// its effect or not at all, and MUST never move a payment that has come to an end.
    fn apply(&self, webhook: Webhook) -> impl Future<Output = Result<(Payment, WebhookOutcome), WebhookError>> + Send;
}

impl ApplyWebhook for Table {
    async fn apply(&self, webhook: Webhook) -> Result<(Payment, WebhookOutcome), WebhookError> {
        for _ in 0..ATTEMPTS {
            let items = self.batch_get(vec![payment_key(webhook.reference), webhook_key(&webhook.id)]).await?;
            let found = |sort_key: &str| items.iter().find(|item| Reader(item).optional_text("sk") == Some(sort_key));
            let record = found("WEBHOOK");
            if let Some(record) = record
                && Reader(record).text("bodyHash")? != webhook.body_hash
            {
                return Err(WebhookError::IdReused);
            }
            let payment = found("PAYMENT").map(read_payment).transpose()?.ok_or(AdvanceError::NotFound)?;
            if record.is_some() {
                return Ok((payment, WebhookOutcome::Duplicate));
            }
            let outcome = match consider(payment.status, webhook.status)? {
                // A success under another of the provider's ids: the customer may have paid twice.
                WebhookOutcome::Repeated
                    if payment.status == PaymentStatus::Success && webhook.names_another(&payment) =>
                {
                    WebhookOutcome::Contradicted
                }
                outcome => outcome,
            };
            let advance = webhook.advance();
            let (mut items, mut parts) = match outcome {
                WebhookOutcome::Applied => self.settle(&payment, &advance, None)?,
                _ => (Vec::new(), Vec::new()),
            };
            items.push(self.put_new(webhook.record(outcome))?);
            parts.push(Part::Webhook);
            match self.transact_settling(items, &parts, &payment, webhook.deadline).await? {
                TransactionOutcome::Committed if outcome == WebhookOutcome::Applied => {
                    return Ok((payment.advanced(&advance), outcome));
                }
                TransactionOutcome::Committed => return Ok((payment, outcome)),
                TransactionOutcome::ConditionFailed(reasons) => refusal_of(&reasons, &parts, None)?,
                TransactionOutcome::Conflict => return Err(AdvanceError::Contention.into()),
            }
        }
        Err(AdvanceError::Contention.into())
    }
}

/// What a webhook comes to for a payment that stands there.
fn consider(from: PaymentStatus, to: PaymentStatus) -> Result<WebhookOutcome, AdvanceError> {
    if to.predecessor() == Some(from) {
        Ok(WebhookOutcome::Applied)
    } else if from == to {
        Ok(WebhookOutcome::Repeated)
    } else if from.is_terminal() {
        Ok(if to.is_terminal() { WebhookOutcome::Contradicted } else { WebhookOutcome::Stale })
    } else {
        Err(AdvanceError::InvalidTransition { from, to })
    }
}

fn webhook_key(id: &str) -> Item {
    key(format!("WEBHOOK#{id}"), "WEBHOOK")
}

impl Webhook {
    /// Whether it is about another transaction of the provider's than the payment is.
    fn names_another(&self, payment: &Payment) -> bool {
        let ids = (&self.provider_transaction_id, &payment.provider_transaction_id);
        matches!(ids, (Some(told), Some(known)) if told != known)
    }

    fn advance(&self) -> Advance {
        Advance {
            to: self.status,
            provider_transaction_id: self.provider_transaction_id.clone(),
            at: self.received_at,
            by: Actor::Provider,
        }
    }

    fn record(&self, outcome: WebhookOutcome) -> Item {
        let mut item = webhook_key(&self.id);
        let mut set = |name: &str, value| {
            item.insert(name.to_owned(), value);
        };
        set("bodyHash", text(&self.body_hash));
        set("reference", text(self.reference));
        set("status", text(self.status));
        set("outcome", text(outcome.as_str()));
        set("receivedAt", text(self.received_at));
        if outcome == WebhookOutcome::Contradicted {
            // Kept until somebody has reconciled it, and found by the index: ownerStatus = RECONCILIATION.
            set("ownerStatus", text("RECONCILIATION"));
            set("order", text(Place::of(self.received_at, &self.id)));
        } else {
            set("expiresAt", number(self.received_at.plus(RETENTION).unix_seconds()));
        }
        if let Some(id) = &self.provider_transaction_id {
            set("providerTransactionId", text(id.as_str()));
        }
        item
    }
}

impl WebhookOutcome {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "APPLIED",
            Self::Repeated => "REPEATED",
            Self::Stale => "STALE",
            Self::Contradicted => "CONTRADICTED",
            Self::Duplicate => "DUPLICATE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_states_is_considered() {
        use PaymentStatus::{Failed, Initiated, Pending, Success};
        use WebhookOutcome::{Applied, Contradicted, Repeated, Stale};
        for (from, to, expected) in [
            (Initiated, Pending, Some(Applied)),
            (Initiated, Success, None),
            (Initiated, Failed, None),
            (Pending, Pending, Some(Repeated)),
            (Pending, Success, Some(Applied)),
            (Pending, Failed, Some(Applied)),
            (Success, Pending, Some(Stale)),
            (Success, Success, Some(Repeated)),
            (Success, Failed, Some(Contradicted)),
            (Failed, Pending, Some(Stale)),
            (Failed, Success, Some(Contradicted)),
            (Failed, Failed, Some(Repeated)),
        ] {
            assert_eq!(consider(from, to).ok(), expected, "{from} -> {to}");
        }
    }
}
