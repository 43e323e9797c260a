//! Publishing a batch of stream records.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;

use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use contracts::Envelope;

use crate::RecordDecodeError;

/// Publishes events.
pub trait PublishEvents<E> {
    /// The maximum number of events per call.
    const MAX_EVENTS: usize;

    /// Publishes at most [`MAX_EVENTS`](Self::MAX_EVENTS) events. MUST return one result per event, in the same order.
    fn publish_events(&self, events: &[Envelope<E>]) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("publishing an event failed: {0}")]
pub struct PublishError(pub String);

/// Publishes the events of the records, in order, up to the first failure, and reports that record. Lambda redelivers it
/// and all later records, so publishing those now would only duplicate them
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>).
///
/// # Errors
///
/// None: a failure is part of the response.
pub async fn publish<E, B: PublishEvents<E>>(
    bus: &B,
    event: &StreamEvent,
    event_from_record: fn(&EventRecord) -> Result<Option<Envelope<E>>, RecordDecodeError>,
) -> Result<DynamoDbEventResponse, Infallible> {
    let mut failures = DynamoDbEventResponse::default();
    if let Err(record) = publish_in_order(bus, &event.records, event_from_record).await {
        // Without a sequence number Lambda treats the whole batch as failed, as intended.
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(record.change.sequence_number.clone().unwrap_or_default());
        failures.batch_item_failures.push(failure);
    }
    Ok(failures)
}

/// Publishes up to the first failure. Returns the failed record.
async fn publish_in_order<'a, E, B: PublishEvents<E>>(
    bus: &B,
    records: &'a [EventRecord],
    event_from_record: fn(&EventRecord) -> Result<Option<Envelope<E>>, RecordDecodeError>,
) -> Result<(), &'a EventRecord> {
    let mut waiting = Vec::new();
    for record in records {
        match event_from_record(record) {
            Ok(None) => {}
            Ok(Some(event)) => waiting.push((record, event)),
            Err(error) => {
                publish_all(bus, waiting).await?;
                return Err(failed(record, &error));
            }
        }
    }
    publish_all(bus, waiting).await
}

async fn publish_all<'a, E, B: PublishEvents<E>>(
    bus: &B,
    waiting: Vec<(&'a EventRecord, Envelope<E>)>,
) -> Result<(), &'a EventRecord> {
    let (records, events): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    for (records, events) in records.chunks(B::MAX_EVENTS).zip(events.chunks(B::MAX_EVENTS)) {
        let outcomes = bus.publish_events(events).await;
        for (record, outcome) in records.iter().zip(outcomes) {
            outcome.map_err(|error| failed(record, &error))?;
        }
    }
    Ok(())
}

fn failed<'a>(record: &'a EventRecord, error: &dyn Display) -> &'a EventRecord {
    tracing::error!(
        sequence_number = record.change.sequence_number,
        %error,
        "change not published; this record and all later ones will be redelivered"
    );
    record
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::{key_matches, new_image, version_increased};

    type Numbered = Envelope<u64>;

    /// Publishes in batches of three, except the event with one number.
    #[derive(Default)]
    struct Bus {
        fails_on: Option<u64>,
        calls: Mutex<Vec<Vec<u64>>>,
    }

    impl PublishEvents<u64> for Bus {
        const MAX_EVENTS: usize = 3;

        async fn publish_events(&self, events: &[Numbered]) -> Vec<Result<(), PublishError>> {
            self.calls.lock().unwrap().push(events.iter().map(|event| event.event).collect());
            let outcome = |event: &Numbered| {
                if self.fails_on == Some(event.event) { Err(PublishError("no".to_owned())) } else { Ok(()) }
            };
            events.iter().map(outcome).collect()
        }
    }

    fn event_from_record(record: &EventRecord) -> Result<Option<Numbered>, RecordDecodeError> {
        #[derive(serde::Deserialize)]
        struct Told {
            number: u64,
        }
        if !key_matches(record, |_pk, sk| sk == "PUBLISHED")? {
            return Ok(None);
        }
        let Told { number } = new_image(record)?;
        let now = Timestamp::from_unix_seconds(0).unwrap();
        Ok(Some(Envelope::new("a", number, now, number))
            .filter(|event| version_increased(record, event.aggregate_version)))
    }

    fn record(number: u64, sk: &str) -> Value {
        json!({
            "eventID": "e", "eventName": "INSERT", "awsRegion": "eu-west-1",
            "dynamodb": {
                "Keys": {"pk": {"S": "a"}, "sk": {"S": sk}},
                "NewImage": {"number": {"N": number.to_string()}},
                "SequenceNumber": number.to_string(), "SizeBytes": 1
            }
        })
    }

    fn broken(number: u64) -> Value {
        let mut record = record(number, "PUBLISHED");
        record["dynamodb"]["NewImage"] = json!({"number": {"S": "many"}});
        record
    }

    fn records_of(numbers: impl IntoIterator<Item = u64>) -> Vec<Value> {
        numbers.into_iter().map(|number| record(number, "PUBLISHED")).collect()
    }

    /// The batches that were published, and the sequence numbers that were reported.
    async fn run(bus: Bus, records: Vec<Value>) -> (Vec<Vec<u64>>, Vec<String>) {
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let Ok(response) = publish(&bus, &event, event_from_record).await;
        let response = serde_json::to_value(response).unwrap();
        let failures = response["batchItemFailures"].as_array().unwrap();
        let reported = failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect();
        (bus.calls.into_inner().unwrap(), reported)
    }

    fn calls<const N: usize>(numbers: [&[u64]; N]) -> Vec<Vec<u64>> {
        numbers.into_iter().map(<[u64]>::to_vec).collect()
    }

    #[tokio::test]
    async fn changes_are_published_in_order_and_in_batches() {
        let mut records = records_of(0..7);
        records.insert(2, record(99, "UNTOLD"));
        let (called, reported) = run(Bus::default(), records).await;
        assert_eq!(called, calls([&[0, 1, 2], &[3, 4, 5], &[6]]));
        assert!(reported.is_empty());
    }

    #[tokio::test]
    async fn batch_without_events_makes_no_call() {
        let mut removed = record(2, "PUBLISHED");
        removed["eventName"] = json!("REMOVE");
        let mut same_version = record(3, "PUBLISHED");
        same_version["eventName"] = json!("MODIFY");
        same_version["dynamodb"]["OldImage"] = json!({"version": {"N": "3"}});
        let records = vec![record(1, "UNTOLD"), removed, same_version];
        assert_eq!(run(Bus::default(), records).await, (Vec::new(), Vec::new()));
    }

    #[tokio::test]
    async fn rejected_event_is_reported_and_stops_the_batch() {
        let (called, reported) = run(Bus { fails_on: Some(4), ..Bus::default() }, records_of(0..9)).await;
        assert_eq!(called, calls([&[0, 1, 2], &[3, 4, 5]]));
        assert_eq!(reported, ["4"]);
    }

    #[tokio::test]
    async fn undecodable_record_is_reported_after_earlier_ones() {
        let mut records = records_of(0..3);
        records[2] = broken(2);
        let (called, reported) = run(Bus::default(), records).await;
        assert_eq!(called, calls([&[0, 1]]));
        assert_eq!(reported, ["2"]);
    }

    #[tokio::test]
    async fn first_of_two_failures_is_reported() {
        let mut records = records_of(0..4);
        records[3] = broken(3);
        let (_, reported) = run(Bus { fails_on: Some(1), ..Bus::default() }, records).await;
        assert_eq!(reported, ["1"]);
    }
}
