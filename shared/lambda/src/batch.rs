//! Batches of SQS messages with partial failures
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>).

use std::fmt::Display;
use std::future::Future;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

/// Applies each message's body in turn and reports the failed messages, so that the queue redelivers only those. When the
/// invocation's time is used up, the remaining messages are reported without being applied.
pub async fn process_batch<F, E>(event: SqsEvent, apply: impl Fn(String) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut failed = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        if deadline::time_left().is_some_and(|time_left| time_left.is_zero()) {
            tracing::warn!(message_id = id, "no time left for the message, which will be redelivered");
        } else {
            let Err(error) = apply(message.body.unwrap_or_default()).await else { continue };
            tracing::error!(message_id = id, %error, "message failed and will be redelivered");
        }
        failed.add_failure(id);
    }
    failed
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

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

    #[tokio::test(start_paused = true)]
    async fn messages_beyond_the_deadline_are_not_applied() {
        let records = (0..4).map(|id| serde_json::json!({"messageId": id.to_string(), "body": "slow"}));
        let event = serde_json::json!({"Records": records.collect::<Vec<_>>()});
        let event: SqsEvent = serde_json::from_value(event).unwrap();
        let applied = Cell::new(0);
        let apply = |_| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            applied.set(applied.get() + 1);
            Ok::<_, &str>(())
        };
        let failed = deadline::with_time_left(Duration::from_secs(10), process_batch(event, apply)).await;
        let ids: Vec<_> = failed.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
        assert_eq!((applied.get(), ids), (2, vec!["2", "3"]));
    }
}
