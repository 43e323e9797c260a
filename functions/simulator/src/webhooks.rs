//! Delivery of messages to the public webhook endpoint of the platform.

use std::future::Future;

use aws::{HttpClient, HttpError};
use config::{ConfigError, Env};
use kernel::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    pub id: String,
    pub sent_at: Timestamp,
    pub signature: String,
    pub body: Vec<u8>,
}

/// A webhook endpoint.
pub trait PostWebhook {
    /// Posts a message. Fails unless the response has a 2xx status.
    fn post_webhook(&self, message: SignedMessage) -> impl Future<Output = Result<(), DeliveryError>>;
}

/// The message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhook delivery failed: {0}")]
pub struct DeliveryError(pub HttpError);

/// A webhook endpoint over HTTP.
#[derive(Debug)]
pub struct HttpWebhook {
    client: HttpClient,
    url: String,
}

impl HttpWebhook {
    /// Uses the endpoint `WEBHOOK_URL`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { client: HttpClient::default(), url: env.required("WEBHOOK_URL")?.to_owned() })
    }
}

impl PostWebhook for HttpWebhook {
    async fn post_webhook(&self, message: SignedMessage) -> Result<(), DeliveryError> {
        let sent_at = message.sent_at.unix_seconds().to_string();
        let headers = [
            ("content-type", "application/json"),
            (webhook::ID, &message.id),
            (webhook::TIMESTAMP, &sent_at),
            (webhook::SIGNATURE, &message.signature),
        ];
        self.client.send("POST", &self.url, &headers, message.body).await.map_err(DeliveryError)
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::serve_once;

    use super::*;

    async fn post(url: &str) -> Result<(), DeliveryError> {
        let webhook = HttpWebhook::from_env(&Env::from_iter([("WEBHOOK_URL", url)])).unwrap();
        let sent_at = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        let message = SignedMessage {
            id: "sim-PAY-1-1".to_owned(),
            sent_at,
            signature: "v1,abc=".to_owned(),
            body: b"{}".to_vec(),
        };
        webhook.post_webhook(message).await
    }

    #[tokio::test]
    async fn message_is_posted_with_standard_webhooks_headers() {
        let (url, request) = serve_once(200, "{}").await;
        post(&format!("{url}/api/payments/webhook/provider")).await.unwrap();
        let request = request.await.unwrap();
        assert!(request.starts_with("POST /api/payments/webhook/provider HTTP/1.1"), "{request}");
        for header in ["webhook-id: sim-PAY-1-1", "webhook-timestamp: 1769860800", "webhook-signature: v1,abc="] {
            assert!(request.contains(header), "{request}");
        }
        assert!(request.ends_with("\r\n\r\n{}"), "{request}");
    }

    #[tokio::test]
    async fn error_response_or_no_response_is_a_failure() {
        let (url, _request) = serve_once(503, "").await;
        assert_eq!(post(&url).await, Err(DeliveryError(HttpError::Status(503))));
        assert!(matches!(post("http://127.0.0.1:1/").await, Err(DeliveryError(HttpError::NoResponse(_)))));
        assert!(matches!(post("no url").await, Err(DeliveryError(HttpError::InvalidRequest(_)))));
    }
}
