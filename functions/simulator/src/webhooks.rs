//! Telling the platform, by its public webhook.

use std::future::Future;

use aws::{HttpClient, HttpError};
use config::{ConfigError, Env};
use kernel::Timestamp;

/// A signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its id.
    pub id: String,
    /// When it is sent.
    pub sent_at: Timestamp,
    /// Its signature.
    pub signature: String,
    /// What it says.
    pub body: Vec<u8>,
}

/// Posts messages.
pub trait PostWebhook {
    /// Posts a message. MUST fail unless it was answered with success.
    fn post_webhook(&self, message: Signed) -> impl Future<Output = Result<(), NotPosted>>;
}

/// The platform did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook did not take the message: {0}")]
pub struct NotPosted(pub HttpError);

/// A webhook.
#[derive(Debug)]
pub struct HttpWebhook {
    outbound: HttpClient,
    url: String,
}

impl HttpWebhook {
    /// The webhook at `WEBHOOK_URL`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { outbound: HttpClient::default(), url: env.required("WEBHOOK_URL")?.to_owned() })
    }
}

impl PostWebhook for HttpWebhook {
    async fn post_webhook(&self, message: Signed) -> Result<(), NotPosted> {
        let sent_at = message.sent_at.unix_seconds().to_string();
        let headers = [
            ("content-type", "application/json"),
            (webhook::ID, &message.id),
            (webhook::TIMESTAMP, &sent_at),
            (webhook::SIGNATURE, &message.signature),
        ];
        self.outbound.send("POST", &self.url, &headers, message.body).await.map_err(NotPosted)
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::serve_once;

    use super::*;

    async fn post(url: &str) -> Result<(), NotPosted> {
        let webhook = HttpWebhook::from_env(&Env::from_iter([("WEBHOOK_URL", url)])).unwrap();
        let sent_at = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        let signed =
            Signed { id: "sim-PAY-1-1".to_owned(), sent_at, signature: "v1,abc=".to_owned(), body: b"{}".to_vec() };
        webhook.post_webhook(signed).await
    }

    #[tokio::test]
    async fn a_message_is_posted_with_the_headers_of_standard_webhooks() {
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
    async fn an_answer_that_is_no_success_and_no_answer_at_all_are_failures() {
        let (url, _request) = serve_once(503, "").await;
        assert_eq!(post(&url).await, Err(NotPosted(HttpError::Refused(503))));
        assert!(matches!(post("http://127.0.0.1:1/").await, Err(NotPosted(HttpError::NoAnswer(_)))));
        assert!(matches!(post("no url").await, Err(NotPosted(HttpError::Impossible(_)))));
    }
}
