//! The publisher: the account table's stream is the outbox, and this empties it.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;

use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use contracts::Envelope;

use super::outbox::to_publish;

/// What the function needs.
#[derive(Debug)]
pub struct Publisher<B> {
    /// Where events go.
    pub bus: B,
}

/// Publishes events.
pub trait PublishEvents {
    /// The most events that one call may publish.
    const MAX_EVENTS: usize;

    /// Publishes these events, at most [`MAX_EVENTS`](Self::MAX_EVENTS) of them. MUST answer for each of them, in their
    /// order, whether it was published.
    fn publish_events(&self, events: &[Envelope]) -> impl Future<Output = Vec<Result<(), NotPublished>>> + Send;
}

/// Why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event was not published: {0}")]
pub struct NotPublished(pub String);

/// Publishes what the records tell, in their order, up to the first that fails. That one is reported: Lambda delivers it
/// and all that follow it again, so what was published after it would only come twice
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>).
///
/// # Errors
///
/// None: a failure is part of the answer.
pub async fn publish<B: PublishEvents + Sync>(
    deps: &Publisher<B>,
    event: StreamEvent,
) -> Result<DynamoDbEventResponse, Infallible> {
    let mut failures = DynamoDbEventResponse::default();
    if let Err(record) = deps.publish_in_order(&event.records).await {
        // Without a sequence number, Lambda takes the whole batch for failed, as it should.
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(record.change.sequence_number.clone().unwrap_or_default());
        failures.batch_item_failures.push(failure);
    }
    Ok(failures)
}

impl<B: PublishEvents> Publisher<B> {
    /// Publishes up to the first record that fails, and answers with that.
    async fn publish_in_order<'a>(&self, records: &'a [EventRecord]) -> Result<(), &'a EventRecord> {
        let mut waiting = Vec::new();
        for record in records {
            match to_publish(record) {
                Ok(None) => {}
                Ok(Some(event)) => waiting.push((record, event)),
                Err(error) => {
                    self.publish_all(waiting).await?;
                    return Err(failed(record, &error));
                }
            }
        }
        self.publish_all(waiting).await
    }

    async fn publish_all<'a>(&self, waiting: Vec<(&'a EventRecord, Envelope)>) -> Result<(), &'a EventRecord> {
        let (records, events): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        for (records, events) in records.chunks(B::MAX_EVENTS).zip(events.chunks(B::MAX_EVENTS)) {
            let outcomes = self.bus.publish_events(events).await;
            for (record, outcome) in records.iter().zip(outcomes) {
                outcome.map_err(|error| failed(record, &error))?;
            }
        }
        Ok(())
    }
}

fn failed<'a>(record: &'a EventRecord, error: &dyn Display) -> &'a EventRecord {
    tracing::error!(
        sequence_number = record.change.sequence_number,
        %error,
        "a change was not published; it and what follows it will be delivered again"
    );
    record
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;

    /// Publishes events by three, but for those of one aggregate.
    #[derive(Default)]
    struct Bus {
        refuses: Option<usize>,
        calls: Mutex<Vec<Vec<String>>>,
    }

    impl PublishEvents for Bus {
        const MAX_EVENTS: usize = 3;

        async fn publish_events(&self, events: &[Envelope]) -> Vec<Result<(), NotPublished>> {
            let (outcomes, published): (Vec<_>, Vec<_>) = events
                .iter()
                .map(|event| {
                    let refused = self.refuses.is_some_and(|number| event.aggregate_id == user_id(number));
                    let outcome = if refused { Err(NotPublished("no".to_owned())) } else { Ok(()) };
                    (outcome, event.aggregate_id.clone())
                })
                .unzip();
            self.calls.lock().unwrap().push(published);
            outcomes
        }
    }

    fn user_id(number: usize) -> String {
        format!("0190a1b2-5c3d-4e6f-8a7b-{number:012}")
    }

    fn record(number: usize, sk: &str, status: &str) -> Value {
        let keys = json!({"pk": {"S": format!("USER#{}", user_id(number))}, "sk": {"S": sk}});
        let mut image = keys.clone();
        image.as_object_mut().unwrap().extend(
            json!({
                "id": {"S": user_id(number)}, "email": {"S": "ada@example.com"}, "status": {"S": status},
                "epoch": {"N": "0"}, "version": {"N": "1"},
                "createdAt": {"S": "2026-01-31T12:00:00Z"}, "updatedAt": {"S": "2026-01-31T12:00:00Z"}
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        json!({
            "eventID": "e", "eventName": "INSERT", "awsRegion": "eu-west-1",
            "dynamodb": {"Keys": keys, "NewImage": image, "SequenceNumber": number.to_string(), "SizeBytes": 1}
        })
    }

    fn people(numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
        numbers.into_iter().map(|number| record(number, "PROFILE", "ACTIVE")).collect()
    }

    /// What was handed to the bus by each call, and which sequence numbers were reported.
    async fn run(bus: Bus, records: Vec<Value>) -> (Vec<Vec<String>>, Vec<String>) {
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let deps = Publisher { bus };
        let Ok(answer) = publish(&deps, event).await;
        let answer = serde_json::to_value(answer).unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        let reported = failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect();
        (deps.bus.calls.into_inner().unwrap(), reported)
    }

    fn ids(calls: &[&[usize]]) -> Vec<Vec<String>> {
        calls.iter().map(|call| call.iter().map(|number| user_id(*number)).collect()).collect()
    }

    #[tokio::test]
    async fn all_that_changed_is_published_in_order_in_calls_that_the_bus_can_take() {
        let mut records = people(0..7);
        records.insert(2, record(99, "SESSION#1", "ACTIVE"));
        let (calls, reported) = run(Bus::default(), records).await;
        assert_eq!(calls, ids(&[&[0, 1, 2], &[3, 4, 5], &[6]]));
        assert!(reported.is_empty());
    }

    #[tokio::test]
    async fn nothing_to_publish_calls_nobody() {
        assert_eq!(run(Bus::default(), vec![record(1, "SESSION#1", "ACTIVE")]).await, (Vec::new(), Vec::new()));
    }

    #[tokio::test]
    async fn an_event_that_the_bus_refuses_is_reported_and_what_follows_waits() {
        let (calls, reported) = run(Bus { refuses: Some(4), ..Bus::default() }, people(0..9)).await;
        assert_eq!(calls, ids(&[&[0, 1, 2], &[3, 4, 5]]));
        assert_eq!(reported, ["4"]);
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_reported_once_all_before_it_is_published() {
        let mut records = people(0..3);
        records[2] = record(2, "PROFILE", "NO_SUCH_STATUS");
        let (calls, reported) = run(Bus::default(), records).await;
        assert_eq!(calls, ids(&[&[0, 1]]));
        assert_eq!(reported, ["2"]);
    }

    #[tokio::test]
    async fn of_two_failures_the_first_is_reported() {
        let mut records = people(0..4);
        records[3] = record(3, "PROFILE", "NO_SUCH_STATUS");
        let (_, reported) = run(Bus { refuses: Some(1), ..Bus::default() }, records).await;
        assert_eq!(reported, ["1"]);
    }
}
