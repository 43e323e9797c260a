//! Batches of SQS messages with partial failures
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>).

use std::fmt::Display;
use std::future::Future;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

/// Applies each message's body in turn and reports the failed messages, so that the queue redelivers only those.
pub async fn process_batch<F, E>(event: SqsEvent, apply: impl Fn(String) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut failed = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        let Err(error) = apply(message.body.unwrap_or_default()).await else { continue };
        tracing::error!(message_id = id, %error, "message failed and will be redelivered");
        failed.add_failure(id);
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failed_messages_are_reported() {
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
