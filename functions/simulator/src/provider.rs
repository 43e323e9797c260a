//! Processing of a pending payment.

use std::time::Duration;

use contracts::{DecodeError, Envelope, PaymentEvent};
use kernel::Clock;

use crate::outcome::{Message, Outcome};
use crate::queue::{QueueError, SendLater};
use crate::secret::{SecretError, SigningSecret};
use crate::webhooks::{DeliveryError, PostWebhook, SignedMessage};

#[derive(Debug)]
pub struct Provider<Q, S, W, C> {
    /// The queue of pending payments.
    pub queue: Q,
    pub secret: S,
    pub webhooks: W,
    pub clock: C,
    /// The delay of a payment with [`Outcome::Late`].
    pub late: Duration,
}

/// The reason why a payment was not processed. Its message is delivered again, and finally moved to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The event has another type than the subscription selects.
    #[error("not an event of a pending payment")]
    NotPending,
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the webhook's body can't be serialized: {0}")]
    Serialize(#[from] serde_json::Error),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

/// Processes the event of a pending payment: delays it if its outcome is late, and otherwise reports the outcome. Safe to
/// repeat, because the messages are the same.
///
/// # Errors
///
/// [`ProviderError`] if the payment was not processed completely.
pub async fn settle<Q, S, W, C>(provider: &Provider<Q, S, W, C>, body: &str) -> Result<(), ProviderError>
where
    Q: SendLater,
    S: SigningSecret,
    W: PostWebhook,
    C: Clock,
{
    let Envelope { occurred_at, event, .. } = Envelope::<PaymentEvent>::read(body)?;
    let PaymentEvent::Pending(payment) = event else { return Err(ProviderError::NotPending) };
    let outcome = Outcome::for_phone(&payment.customer_phone);
    let remaining = provider.clock.now().until(occurred_at.plus(provider.late));
    if outcome == Outcome::Late && !remaining.is_zero() {
        provider.queue.send_later(body, remaining).await?;
        tracing::info!(payment.reference, delay = ?remaining, "delivery delayed");
        return Ok(());
    }
    for Message { id, report } in outcome.messages(&payment, occurred_at) {
        let body = serde_json::to_vec(&report)?;
        let sent_at = provider.clock.now();
        let signature = provider.secret.signing_secret().await?.sign(&id, sent_at, &body);
        provider.webhooks.post_webhook(SignedMessage { id, sent_at, signature, body }).await?;
    }
    tracing::info!(payment.reference, ?outcome, "outcome processed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::Timestamp;
    use kernel::testing::FixedClock;
    use serde_json::{Value, json};
    use webhook::{Headers, WebhookSecret, verify};

    use super::*;
    use crate::outcome::tests::payment;

    const LATE: Duration = Duration::from_secs(30);

    #[derive(Default)]
    struct FakeQueue(Mutex<Vec<(String, Duration)>>);

    impl SendLater for FakeQueue {
        async fn send_later(&self, body: &str, delay: Duration) -> Result<(), QueueError> {
            self.0.lock().unwrap().push((body.to_owned(), delay));
            Ok(())
        }
    }

    struct FixedSecret;

    impl SigningSecret for FixedSecret {
        async fn signing_secret(&self) -> Result<WebhookSecret, SecretError> {
            WebhookSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").map_err(|_| SecretError("invalid".to_owned()))
        }
    }

    /// Accepts this many messages and rejects further ones.
    struct FakeWebhooks {
        capacity: usize,
        accepted: Mutex<Vec<SignedMessage>>,
    }

    impl PostWebhook for FakeWebhooks {
        async fn post_webhook(&self, message: SignedMessage) -> Result<(), DeliveryError> {
            let mut accepted = self.accepted.lock().unwrap();
            if accepted.len() == self.capacity {
                return Err(DeliveryError(aws::HttpError::Status(503)));
            }
            accepted.push(message);
            Ok(())
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap().plus(Duration::from_secs(seconds))
    }

    fn provider(capacity: usize, now: Timestamp) -> Provider<FakeQueue, FixedSecret, FakeWebhooks, FixedClock> {
        let webhooks = FakeWebhooks { capacity, accepted: Mutex::default() };
        Provider { queue: FakeQueue::default(), secret: FixedSecret, webhooks, clock: FixedClock(now), late: LATE }
    }

    fn pending(phone: &str) -> String {
        let event = PaymentEvent::Pending(payment(phone));
        serde_json::to_string(&Envelope::new("PAY-1", 2, at(0), event)).unwrap()
    }

    #[tokio::test]
    async fn pending_payment_is_reported_by_an_authentic_webhook() {
        let provider = provider(9, at(2));
        settle(&provider, &pending("+250788123456")).await.unwrap();
        let [message] = provider.webhooks.accepted.lock().unwrap().clone().try_into().unwrap();
        let sent_at = message.sent_at.unix_seconds().to_string();
        let headers = Headers { id: Some(&message.id), timestamp: Some(&sent_at), signature: Some(&message.signature) };
        let secret = FixedSecret.signing_secret().await.unwrap();
        assert_eq!(verify(&[secret], headers, &message.body, at(2)), Ok("sim-PAY-1-1"));
        assert_eq!(
            serde_json::from_slice::<Value>(&message.body).unwrap(),
            json!({
                "reference": "PAY-1", "status": "SUCCESS", "providerTransactionId": "SIM-PAY-1",
                "timestamp": "2026-01-31T12:00:00.000Z"
            })
        );
    }

    #[tokio::test]
    async fn late_payment_is_delayed_and_then_reported() {
        let early = provider(9, at(2));
        let body = pending("+12025550103");
        settle(&early, &body).await.unwrap();
        assert!(early.webhooks.accepted.lock().unwrap().is_empty());
        assert_eq!(*early.queue.0.lock().unwrap(), [(body.clone(), Duration::from_secs(28))]);

        let due = provider(9, at(30));
        settle(&due, &body).await.unwrap();
        assert!(due.queue.0.lock().unwrap().is_empty());
        assert_eq!(due.webhooks.accepted.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn retry_after_a_failure_sends_identical_messages() {
        let body = pending("+12025550104");
        let (failing, complete) = (provider(1, at(2)), provider(2, at(9)));
        assert!(matches!(settle(&failing, &body).await, Err(ProviderError::Delivery(_))));
        settle(&complete, &body).await.unwrap();
        let accepted = |webhooks: &FakeWebhooks| {
            let accepted = webhooks.accepted.lock().unwrap();
            accepted.iter().map(|message| (message.id.clone(), message.body.clone())).collect::<Vec<_>>()
        };
        assert_eq!(accepted(&failing.webhooks), accepted(&complete.webhooks)[..1]);
        assert_eq!(accepted(&complete.webhooks).len(), 2);
    }

    #[tokio::test]
    async fn event_of_another_type_is_rejected() {
        let provider = provider(9, at(2));
        let failed = Envelope::new("PAY-1", 3, at(0), PaymentEvent::Failed(payment("+250788123456")));
        let failed = serde_json::to_string(&failed).unwrap();
        assert!(matches!(settle(&provider, &failed).await, Err(ProviderError::NotPending)));
        assert!(matches!(settle(&provider, "{}").await, Err(ProviderError::Decode(_))));
        assert!(provider.webhooks.accepted.lock().unwrap().is_empty());
    }
}
