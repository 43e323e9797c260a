//! Webhooks of the payment provider, and their effect on a payment.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::{Actor, Payment, PaymentReference, PaymentStatus, ProviderTransactionId, Transition};

/// An authenticated webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The same for every delivery of the same webhook.
    pub id: String,
    /// The SHA-256 digest of the body, base64url-encoded.
    pub body_hash: String,
    pub report: Report,
    pub received_at: Timestamp,
}

/// The content of a webhook. Two deliveries with the same id and the same report are the same webhook, whatever the bytes
/// of their bodies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub reference: PaymentReference,
    /// The status that the provider reports.
    pub status: PaymentStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_transaction_id: Option<ProviderTransactionId>,
    /// The collected amount in minor units, if the provider states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// The currency of the amount, if the provider states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// The effect of a webhook on its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The payment's status changed.
    Applied,
    /// The payment already had the reported status.
    Repeated,
    /// The payment is in a terminal state; the reported status precedes it.
    Stale,
    /// The webhook contradicts the payment. It is recorded for reconciliation and not applied.
    Contradicted(Contradiction),
    /// The webhook was received before.
    Duplicate,
}

/// The contradiction between a webhook and its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Contradiction {
    /// The payment is in the other terminal state.
    Status,
    /// The payment names another transaction of the provider, or the transaction has settled another payment: the customer
    /// may have paid twice, or once for two payments.
    ProviderTransaction,
    /// The provider collected another amount or another currency.
    Amount,
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
        } else if self.is_terminal() && to.is_terminal() {
            Ok(WebhookOutcome::Contradicted(Contradiction::Status))
        } else if self.is_terminal() {
            Ok(WebhookOutcome::Stale)
        } else {
            Err(InvalidTransition { from: self, to })
        }
    }
}

impl Report {
    /// Returns the effect on this payment.
    ///
    /// # Errors
    ///
    /// [`InvalidTransition`] if the payment was not handed to the provider yet.
    pub fn outcome(&self, payment: &Payment) -> Result<WebhookOutcome, InvalidTransition> {
        let outcome = payment.status.on_webhook(self.status)?;
        let changes_payment = outcome == WebhookOutcome::Applied || payment.status == PaymentStatus::Success;
        match outcome {
            WebhookOutcome::Applied | WebhookOutcome::Repeated if changes_payment => {
                Ok(self.contradiction(payment).map_or(outcome, WebhookOutcome::Contradicted))
            }
            outcome => Ok(outcome),
        }
    }

    fn contradiction(&self, payment: &Payment) -> Option<Contradiction> {
        let ids = (&self.provider_transaction_id, &payment.provider_transaction_id);
        if self.status.is_terminal() && matches!(ids, (Some(reported), Some(known)) if reported != known) {
            return Some(Contradiction::ProviderTransaction);
        }
        let is_amount = self.amount.is_none_or(|amount| amount == payment.amount.minor());
        let is_currency =
            self.currency.as_ref().is_none_or(|code| code.eq_ignore_ascii_case(payment.currency.as_str()));
        if self.status == PaymentStatus::Success && !(is_amount && is_currency) {
            return Some(Contradiction::Amount);
        }
        None
    }

    /// The transition at this time.
    pub fn transition(&self, at: Timestamp) -> Transition {
        let provider_transaction_id = self.provider_transaction_id.clone();
        Transition { to: self.status, provider_transaction_id, at, by: Actor::Provider }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_outcome_covers_every_pair_of_statuses() {
        use PaymentStatus::{Failed, Initiated, Pending, Success};
        use WebhookOutcome::{Applied, Repeated, Stale};
        let contradicted = WebhookOutcome::Contradicted(Contradiction::Status);
        for (from, to, expected) in [
            (Initiated, Pending, Some(Applied)),
            (Initiated, Success, None),
            (Initiated, Failed, None),
            (Pending, Pending, Some(Repeated)),
            (Pending, Success, Some(Applied)),
            (Pending, Failed, Some(Applied)),
            (Success, Pending, Some(Stale)),
            (Success, Success, Some(Repeated)),
            (Success, Failed, Some(contradicted)),
            (Failed, Pending, Some(Stale)),
            (Failed, Success, Some(contradicted)),
            (Failed, Failed, Some(Repeated)),
        ] {
            assert_eq!(from.on_webhook(to).ok(), expected, "{from} -> {to}");
        }
    }
}
