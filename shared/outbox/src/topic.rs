//! The SNS topic of a context's events.

use std::fmt::Display;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use config::{ConfigError, Env};
use contracts::{Envelope, Event};
use serde::Serialize;

use crate::{PublishError, PublishEvents};

#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    /// The topic in `TOPIC_ARN`. `AWS_ENDPOINT_URL_SNS` takes precedence over `AWS_ENDPOINT_URL`, as in all AWS SDKs.
    ///
    /// # Errors
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let config = aws::for_service(&aws::sdk_config(env)?, env, "AWS_ENDPOINT_URL_SNS");
        let config = aws_sdk_sns::config::Builder::from(&config).interceptor(aws::ObserveDeadline).build();
        Ok(Self { client: Client::from_conf(config), arn: env.required("TOPIC_ARN")?.to_owned() })
    }
}

impl<E: Event + Serialize + Sync> PublishEvents<E> for Topic {
    /// The limit of `PublishBatch`. Ten events are far below its limit of 256 KiB.
    const MAX_EVENTS: usize = 10;

    async fn publish_events(&self, events: &[Envelope<E>]) -> Vec<Result<(), PublishError>> {
        let entries =
            events.iter().enumerate().map(|(index, event)| entry(index, event)).collect::<Result<Vec<_>, _>>();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return vec![Err(error); events.len()],
        };
        let request = self.client.publish_batch().topic_arn(&self.arn);
        match request.set_publish_batch_request_entries(Some(entries)).send().await {
            Ok(response) => (0..events.len())
                .map(|index| match response.failed().iter().find(|entry| entry.id() == index.to_string()) {
                    Some(entry) => Err(publish_error(format!("{}: {}", entry.code(), entry.message().unwrap_or("")))),
                    None => Ok(()),
                })
                .collect(),
            Err(error) => vec![Err(publish_error(DisplayErrorContext(error))); events.len()],
        }
    }
}

fn entry<E: Event + Serialize>(index: usize, event: &Envelope<E>) -> Result<PublishBatchRequestEntry, PublishError> {
    let event_type = MessageAttributeValue::builder().data_type("String").string_value(event.event.name()).build();
    PublishBatchRequestEntry::builder()
        .id(index.to_string())
        .message(serde_json::to_string(event).map_err(publish_error)?)
        .message_attributes("type", event_type.map_err(publish_error)?)
        .build()
        .map_err(publish_error)
}

fn publish_error(why: impl Display) -> PublishError {
    PublishError(why.to_string())
}

#[cfg(test)]
mod tests {
    use contracts::{AccountEvent, SigningKey};
    use kernel::{KeyId, Timestamp};
    use testkit::http::serve_once;

    use super::*;

    const ARN: &str = "arn:aws:sns:eu-west-1:123456789012:events";

    fn events(count: usize) -> Vec<Envelope<AccountEvent>> {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let key = SigningKey { kid: KeyId::new("k1"), public_key: "AAAA".to_owned() };
        (0..count).map(|_| Envelope::new("k1", 1, now, AccountEvent::SigningKeyPublished(key.clone()))).collect()
    }

    fn topic(url: &str) -> Topic {
        let env = Env::from_iter([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_SNS", url),
            ("TOPIC_ARN", ARN),
        ]);
        Topic::from_env(&env).unwrap()
    }

    #[tokio::test]
    async fn event_is_published_with_a_type_attribute() {
        let (url, request) =
            serve_once(200, "<PublishBatchResponse><PublishBatchResult/></PublishBatchResponse>").await;
        assert_eq!(topic(&url).publish_events(&events(1)).await, [Ok(())]);
        let request = request.await.unwrap();
        let attribute = "PublishBatchRequestEntries.member.1.MessageAttributes.entry.1";
        for expected in [
            format!("{attribute}.Name=type"),
            format!("{attribute}.Value.DataType=String"),
            format!("{attribute}.Value.StringValue=signing-key%3Apublished"),
            "PublishBatchRequestEntries.member.1.Message=%7B%22id%22%3A%22k1.1%22".to_owned(),
        ] {
            assert!(request.contains(&expected), "{expected} is not in {request}");
        }
    }

    #[tokio::test]
    async fn rejected_event_of_a_batch_is_identified() {
        let response = "<PublishBatchResponse><PublishBatchResult><Failed><member><Id>1</Id><Code>InternalError</Code>\
                      <SenderFault>false</SenderFault></member></Failed></PublishBatchResult></PublishBatchResponse>";
        let (url, _request) = serve_once(200, response).await;
        let outcomes = topic(&url).publish_events(&events(3)).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[tokio::test]
    async fn failed_call_publishes_no_event() {
        let (url, _request) =
            serve_once(403, "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>").await;
        let outcomes = topic(&url).publish_events(&events(2)).await;
        assert!(outcomes.len() == 2 && outcomes.iter().all(Result::is_err), "{outcomes:?}");
    }
}
