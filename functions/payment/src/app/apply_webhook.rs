//! Applying a webhook of the provider.

use super::PaymentError;
use crate::domain::{Contradiction, Payment, Rejection, TokenRevoked, Webhook, WebhookOutcome};
use crate::store::Store;
use crate::store::payments::TransitionOutcome;
use crate::store::webhooks::{PaymentAndWebhook, RecordedWebhook};

/// The maximum number of attempts while others change the payment.
const MAX_ATTEMPTS: usize = 4;

/// Applies a webhook, once, and returns the payment after it. The webhook and its effect are recorded together. A payment in
/// a terminal state is never changed.
///
/// # Errors
///
/// [`PaymentError`] if the webhook was neither applied nor recorded.
pub async fn apply_webhook(store: &Store, webhook: &Webhook) -> Result<(Payment, WebhookOutcome), PaymentError> {
    let mut is_used = false;
    for _ in 0..MAX_ATTEMPTS {
        let PaymentAndWebhook { payment, recorded } = store.payment_and_webhook(webhook).await?;
        let is_duplicate = match &recorded {
            Some(RecordedWebhook::Processed(report)) if *report != webhook.report => {
                return Err(PaymentError::WebhookIdReused);
            }
            Some(RecordedWebhook::Processed(_)) => true,
            Some(RecordedWebhook::Unprocessable) | None => false,
        };
        let payment = payment.ok_or(PaymentError::PaymentNotFound)?;
        if is_duplicate {
            return Ok((payment, WebhookOutcome::Duplicate));
        }
        let mut outcome = webhook.report.outcome(&payment)?;
        if is_used && outcome == WebhookOutcome::Applied {
            outcome = WebhookOutcome::Contradicted(Contradiction::ProviderTransaction);
        }
        match store.record_webhook(webhook, &payment, outcome).await? {
            TransitionOutcome::Committed(at) if outcome == WebhookOutcome::Applied => {
                return Ok((payment.after(&webhook.report.transition(at)), outcome));
            }
            TransitionOutcome::Committed(_) => return Ok((payment, outcome)),
            TransitionOutcome::Stale => {}
            TransitionOutcome::ProviderTransactionUsed => is_used = true,
            TransitionOutcome::TokenRevoked => return Err(TokenRevoked.into()),
            TransitionOutcome::AccountRejected(account) => {
                return Err(Rejection::of_collection(account.as_ref(), None).into());
            }
            TransitionOutcome::Conflict => return Err(PaymentError::Conflict),
        }
    }
    Err(PaymentError::Conflict)
}

#[cfg(test)]
mod tests;
