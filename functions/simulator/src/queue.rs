//! The queue of pending payments, to which late payments are sent again with a delay.

use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use config::{ConfigError, Env};

/// A queue with delayed delivery.
pub trait SendLater {
    /// Sends a message that is delivered after this delay, at most 15 minutes.
    fn send_later(&self, body: &str, delay: Duration) -> impl Future<Output = Result<(), QueueError>>;
}

/// The message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment was not queued: {0}")]
pub struct QueueError(pub String);

/// An SQS queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// Uses the queue `QUEUE_URL`, and the endpoint `AWS_ENDPOINT_URL_SQS` if it is set, otherwise `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let config = aws::for_service(&aws::sdk_config(env)?, env, "AWS_ENDPOINT_URL_SQS");
        let config = aws_sdk_sqs::config::Builder::from(&config).interceptor(aws::ObserveDeadline).build();
        Ok(Self { client: Client::from_conf(config), url: env.required("QUEUE_URL")?.to_owned() })
    }
}

impl SendLater for Queue {
    async fn send_later(&self, body: &str, delay: Duration) -> Result<(), QueueError> {
        // SQS delays by whole seconds.
        let seconds = delay.as_millis().div_ceil(1000);
        let seconds = i32::try_from(seconds).map_err(|error| QueueError(error.to_string()))?;
        let request = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(seconds);
        request.send().await.map_err(|error| QueueError(DisplayErrorContext(error).to_string()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::serve_once;

    use super::*;

    #[tokio::test]
    async fn delay_is_rounded_up_to_whole_seconds() {
        let (url, request) = serve_once(200, r#"{"MessageId": "1"}"#).await;
        let env = Env::from_iter([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_SQS", &url),
            ("QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/simulator"),
        ]);
        Queue::from_env(&env).unwrap().send_later("the event", Duration::from_millis(27_001)).await.unwrap();
        let request = request.await.unwrap();
        let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!((&body["MessageBody"], &body["DelaySeconds"]), (&"the event".into(), &28.into()), "{request}");
    }
}
