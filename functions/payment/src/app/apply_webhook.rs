//! Applying a webhook of the provider.

use super::PaymentError;
use crate::domain::{Payment, Rejection, Webhook, WebhookOutcome};
use crate::store::Store;
use crate::store::payments::TransitionOutcome;
use crate::store::webhooks::PaymentAndWebhook;

/// The maximum number of attempts while others change the payment.
const MAX_ATTEMPTS: usize = 4;

/// Applies a webhook, once, and returns the payment after it. The webhook and its effect are recorded together. A payment in
/// a terminal state is never changed.
///
/// # Errors
///
/// [`PaymentError`] if the webhook was neither applied nor recorded.
pub async fn apply_webhook(store: &Store, webhook: &Webhook) -> Result<(Payment, WebhookOutcome), PaymentError> {
    for _ in 0..MAX_ATTEMPTS {
        let PaymentAndWebhook { payment, recorded_body_hash } = store.payment_and_webhook(webhook).await?;
        if recorded_body_hash.as_ref().is_some_and(|recorded| *recorded != webhook.body_hash) {
            return Err(PaymentError::WebhookIdReused);
        }
        let payment = payment.ok_or(PaymentError::PaymentNotFound)?;
        if recorded_body_hash.is_some() {
            return Ok((payment, WebhookOutcome::Duplicate));
        }
        let outcome = webhook.outcome(&payment)?;
        match store.record_webhook(webhook, &payment, outcome).await? {
            TransitionOutcome::Committed if outcome == WebhookOutcome::Applied => {
                return Ok((payment.after(&webhook.transition()), outcome));
            }
            TransitionOutcome::Committed => return Ok((payment, outcome)),
            TransitionOutcome::Stale => {}
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
