//! Batches of messages in which one bad message fails alone.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>

use std::fmt::Display;
use std::future::Future;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

/// Hands each message's body to `apply`, one after the other, and reports those that failed, so that the queue
/// delivers only them again.
pub async fn process_batch<F, E>(event: SqsEvent, apply: impl Fn(String) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut failed = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        let Err(error) = apply(message.body.unwrap_or_default()).await else { continue };
        tracing::error!(message_id = id, %error, "the message was not applied and will be delivered again");
        failed.add_failure(id);
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_bad_messages_are_reported() {
        let event: SqsEvent = serde_json::from_value(serde_json::json!({"Records": [
            {"messageId": "0", "body": "good"},
            {"messageId": "1", "body": "bad"},
            {"messageId": "2", "body": "good"},
            {"messageId": "3"},
        ]}))
        .unwrap();
        let failed =
            process_batch(event, |body| async move { if body == "good" { Ok(()) } else { Err("no good") } }).await;
        let ids: Vec<_> = failed.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
        assert_eq!(ids, ["1", "3"]);
    }
}
