//! One pending payment, on its way through the provider.

use std::time::Duration;

use contracts::{Envelope, PaymentEvent, Unreadable};
use kernel::Clock;

use crate::outcome::{Message, Outcome};
use crate::queue::{NotQueued, SendLater};
use crate::secret::{NoSecret, SigningSecret};
use crate::webhooks::{NotPosted, PostWebhook, Signed};

/// What the function needs.
#[derive(Debug)]
pub struct Provider<Q, S, W, C> {
    /// Where pending payments wait.
    pub queue: Q,
    /// What messages are signed with.
    pub secret: S,
    /// Where messages go.
    pub webhooks: W,
    /// The clock.
    pub clock: C,
    /// How long a late payment takes.
    pub late: Duration,
}

/// Why a payment was not dealt with. Its message is delivered again, and in the end to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No event.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Another event than the subscription asks for.
    #[error("not an event of a pending payment")]
    NotPending,
    /// It could not be put off.
    #[error(transparent)]
    NotQueued(#[from] NotQueued),
    /// It could not be signed.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
    /// The message is none.
    #[error("the webhook's body cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// It could not be told.
    #[error(transparent)]
    NotPosted(#[from] NotPosted),
}

/// Deals with the payment of one event: puts it off if it is to be late, and tells what became of it if not.
///
/// # Errors
///
/// [`ProviderError`] if not all of that was done. To do it again is harmless: the messages are the same.
pub async fn settle<Q, S, W, C>(provider: &Provider<Q, S, W, C>, body: &str) -> Result<(), ProviderError>
where
    Q: SendLater,
    S: SigningSecret,
    W: PostWebhook,
    C: Clock,
{
    let Envelope { occurred_at, event, .. } = Envelope::<PaymentEvent>::read(body)?;
    let PaymentEvent::Pending(payment) = event else { return Err(ProviderError::NotPending) };
    let outcome = Outcome::of(&payment.customer_phone);
    let left = provider.clock.now().until(occurred_at.plus(provider.late));
    if outcome == Outcome::Late && !left.is_zero() {
        provider.queue.send_later(body, left).await?;
        tracing::info!(payment.reference, ?left, "put off");
        return Ok(());
    }
    for Message { id, verdict } in outcome.messages(&payment, occurred_at) {
        let body = serde_json::to_vec(&verdict)?;
        let sent_at = provider.clock.now();
        let signature = provider.secret.signing_secret().await?.sign(&id, sent_at, &body);
        provider.webhooks.post_webhook(Signed { id, sent_at, signature, body }).await?;
    }
    tracing::info!(payment.reference, ?outcome, "dealt with");
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
    struct Queue(Mutex<Vec<(String, Duration)>>);

    impl SendLater for Queue {
        async fn send_later(&self, body: &str, delay: Duration) -> Result<(), NotQueued> {
            self.0.lock().unwrap().push((body.to_owned(), delay));
            Ok(())
        }
    }

    struct Secret;

    impl SigningSecret for Secret {
        async fn signing_secret(&self) -> Result<WebhookSecret, NoSecret> {
            WebhookSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").map_err(|_| NoSecret("none".to_owned()))
        }
    }

    /// Takes so many messages, and refuses the rest.
    struct Webhooks {
        takes: usize,
        taken: Mutex<Vec<Signed>>,
    }

    impl PostWebhook for Webhooks {
        async fn post_webhook(&self, message: Signed) -> Result<(), NotPosted> {
            let mut taken = self.taken.lock().unwrap();
            if taken.len() == self.takes {
                return Err(NotPosted(aws::HttpError::Refused(503)));
            }
            taken.push(message);
            Ok(())
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap().plus(Duration::from_secs(seconds))
    }

    fn provider(takes: usize, now: Timestamp) -> Provider<Queue, Secret, Webhooks, FixedClock> {
        let webhooks = Webhooks { takes, taken: Mutex::default() };
        Provider { queue: Queue::default(), secret: Secret, webhooks, clock: FixedClock(now), late: LATE }
    }

    fn pending(phone: &str) -> String {
        let event = PaymentEvent::Pending(payment(phone));
        serde_json::to_string(&Envelope::new("PAY-1", 2, at(0), event)).unwrap()
    }

    #[tokio::test]
    async fn a_pending_payment_is_told_by_a_message_that_verifies() {
        let provider = provider(9, at(2));
        settle(&provider, &pending("+250788123456")).await.unwrap();
        let [message] = provider.webhooks.taken.lock().unwrap().clone().try_into().unwrap();
        let sent_at = message.sent_at.unix_seconds().to_string();
        let headers = Headers { id: Some(&message.id), timestamp: Some(&sent_at), signature: Some(&message.signature) };
        let secret = Secret.signing_secret().await.unwrap();
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
    async fn a_late_payment_is_put_off_for_the_time_that_is_left_and_then_told() {
        let early = provider(9, at(2));
        let body = pending("+12025550103");
        settle(&early, &body).await.unwrap();
        assert!(early.webhooks.taken.lock().unwrap().is_empty());
        assert_eq!(*early.queue.0.lock().unwrap(), [(body.clone(), Duration::from_secs(28))]);

        let due = provider(9, at(30));
        settle(&due, &body).await.unwrap();
        assert!(due.queue.0.lock().unwrap().is_empty());
        assert_eq!(due.webhooks.taken.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_told_again_after_a_failure_is_the_same_to_the_byte() {
        let body = pending("+12025550104");
        let (failing, whole) = (provider(1, at(2)), provider(2, at(9)));
        assert!(matches!(settle(&failing, &body).await, Err(ProviderError::NotPosted(_))));
        settle(&whole, &body).await.unwrap();
        let told = |webhooks: &Webhooks| {
            let taken = webhooks.taken.lock().unwrap();
            taken.iter().map(|message| (message.id.clone(), message.body.clone())).collect::<Vec<_>>()
        };
        assert_eq!(told(&failing.webhooks), told(&whole.webhooks)[..1]);
        assert_eq!(told(&whole.webhooks).len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_pending_payment_is_refused() {
        let provider = provider(9, at(2));
        let failed = Envelope::new("PAY-1", 3, at(0), PaymentEvent::Failed(payment("+250788123456")));
        let failed = serde_json::to_string(&failed).unwrap();
        assert!(matches!(settle(&provider, &failed).await, Err(ProviderError::NotPending)));
        assert!(matches!(settle(&provider, "{}").await, Err(ProviderError::Unreadable(_))));
        assert!(provider.webhooks.taken.lock().unwrap().is_empty());
    }
}
