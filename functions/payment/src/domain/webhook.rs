//! Webhooks of the payment provider, and their effect on a payment.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Actor, Payment, PaymentReference, PaymentStatus, ProviderTransactionId, Transition};

/// An authenticated webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The same for every delivery of the same webhook.
    pub id: String,
    /// The SHA-256 digest of the body, base64url-encoded.
    pub body_hash: String,
    pub reference: PaymentReference,
    /// The status that the provider reports.
    pub status: PaymentStatus,
    pub provider_transaction_id: Option<ProviderTransactionId>,
    pub received_at: Timestamp,
}

/// The effect of a webhook on its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WebhookOutcome {
    /// The payment's status changed.
    Applied,
    /// The payment already had the reported status.
    Repeated,
    /// The payment is in a terminal state; the reported status precedes it.
    Stale,
    /// The payment is in the other terminal state, or succeeded by another transaction of the provider. The webhook is
    /// recorded for reconciliation and not applied.
    Contradicted,
    /// The webhook was received before.
    Duplicate,
}

/// The payment's status can't change in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment can't change from {from} to {to}")]
pub struct InvalidTransition {
    pub from: PaymentStatus,
    pub to: PaymentStatus,
}

impl PaymentStatus {
    /// Returns the effect of a webhook that reports the status `to` on a payment with this status.
    ///
    /// # Errors
    ///
    /// [`InvalidTransition`] if the payment was not handed to the provider yet.
    pub fn on_webhook(self, to: Self) -> Result<WebhookOutcome, InvalidTransition> {
        if to.predecessor() == Some(self) {
            Ok(WebhookOutcome::Applied)
        } else if self == to {
            Ok(WebhookOutcome::Repeated)
        } else if self.is_terminal() {
            Ok(if to.is_terminal() { WebhookOutcome::Contradicted } else { WebhookOutcome::Stale })
        } else {
            Err(InvalidTransition { from: self, to })
        }
    }
}

impl Webhook {
    /// Returns the effect on this payment.
    ///
    /// # Errors
    ///
    /// [`InvalidTransition`] if the payment was not handed to the provider yet.
    pub fn outcome(&self, payment: &Payment) -> Result<WebhookOutcome, InvalidTransition> {
        match payment.status.on_webhook(self.status)? {
            // The customer may have paid twice.
            WebhookOutcome::Repeated if payment.status == PaymentStatus::Success && self.conflicts_with(payment) => {
                Ok(WebhookOutcome::Contradicted)
            }
            outcome => Ok(outcome),
        }
    }

    /// Whether the webhook and the payment name different transactions of the provider.
    fn conflicts_with(&self, payment: &Payment) -> bool {
        let ids = (&self.provider_transaction_id, &payment.provider_transaction_id);
        matches!(ids, (Some(reported), Some(known)) if reported != known)
    }

    pub fn transition(&self) -> Transition {
        Transition {
            to: self.status,
            provider_transaction_id: self.provider_transaction_id.clone(),
            at: self.received_at,
            by: Actor::Provider,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_outcome_is_defined_for_every_pair_of_states() {
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
            assert_eq!(from.on_webhook(to).ok(), expected, "{from} -> {to}");
        }
    }
}
