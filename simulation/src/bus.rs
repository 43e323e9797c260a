//! Streams, topics and the queue between the contexts.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::Event as StreamEvent;
use contracts::{Envelope, Event};
use outbox::{PublishError, PublishEvents};
use serde::Serialize;
use serde_json::{Value, json};

use crate::executor::TaskId;
use crate::network::{Network, PUBLISH};
use crate::tables::{ACCOUNT_TABLE, Change, PAYMENT_TABLE};

/// The shards of a table's stream. The changes of one partition are in one shard.
pub(crate) const SHARDS: u8 = 2;

/// The number of receives after which a message moves to the dead-letter queue.
const MAX_RECEIVES: u32 = 5;

/// A shard of a table's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    pub table: &'static str,
    pub shard: u8,
}

#[derive(Debug, Default)]
struct Stream {
    records: Vec<Value>,
    /// The number of records that were published.
    position: usize,
    /// The publisher that reads it, and the records that it has.
    reader: Option<(TaskId, usize)>,
}

#[derive(Debug)]
struct Message {
    body: String,
    visible_at_ms: u64,
    receives: u32,
    receivers: BTreeSet<TaskId>,
}

/// A batch of messages for a consumer.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(crate) struct Bus {
    streams: BTreeMap<StreamId, Stream>,
    queue: BTreeMap<String, Message>,
    dead: BTreeMap<String, Message>,
    sent: BTreeMap<String, u32>,
    /// The ids of the events that the payment context has published.
    pub(crate) published: BTreeSet<String>,
    sequence: u64,
}

impl Bus {
    /// Adds changes to the streams.
    pub(crate) fn record(&mut self, changes: &[Change]) {
        for change in changes {
            let Some(table) = [ACCOUNT_TABLE, PAYMENT_TABLE].into_iter().find(|table| *table == change.key.table)
            else {
                continue;
            };
            self.sequence += 1;
            let mut image = json!({
                "Keys": {"pk": {"S": change.key.pk}, "sk": {"S": change.key.sk}},
                "SequenceNumber": self.sequence.to_string(), "SizeBytes": 1,
            });
            let name = match (&change.old, &change.new) {
                (None, _) => "INSERT",
                (Some(_), Some(_)) => "MODIFY",
                (Some(_), None) => "REMOVE",
            };
            for (member, item) in [("OldImage", &change.old), ("NewImage", &change.new)] {
                if let Some(item) = item {
                    image[member] = item.clone();
                }
            }
            let shard = change.key.pk.bytes().fold(0_u8, u8::wrapping_add) % SHARDS;
            let stream = self.streams.entry(StreamId { table, shard }).or_default();
            let id = self.sequence.to_string();
            stream.records.push(json!({"eventID": id, "eventName": name, "awsRegion": "eu-west-1", "dynamodb": image}));
        }
    }

    /// The streams with records to publish that no publisher reads.
    pub(crate) fn unread_streams(&self) -> Vec<StreamId> {
        let unread = |stream: &&Stream| stream.reader.is_none() && stream.position < stream.records.len();
        self.streams.iter().filter(|(_, stream)| unread(stream)).map(|(id, _)| *id).collect()
    }

    /// Hands the next records of a stream to a publisher.
    pub(crate) fn read(&mut self, id: StreamId, count: usize, by: TaskId) -> Option<StreamEvent> {
        let stream = self.streams.get_mut(&id).filter(|stream| stream.reader.is_none())?;
        let end = stream.records.len().min(stream.position + count);
        let records = stream.records.get(stream.position..end).filter(|records| !records.is_empty())?;
        stream.reader = Some((by, records.len()));
        Some(serde_json::from_value(json!({ "Records": records })).expect("a valid event"))
    }

    /// Moves the stream's position after an invocation: up to the failed record, or not at all if the publisher ended
    /// without a response.
    pub(crate) fn finish_read(&mut self, by: TaskId, response: Option<&[String]>) {
        for stream in self.streams.values_mut() {
            let Some((reader, count)) = stream.reader else { continue };
            if reader != by {
                continue;
            }
            stream.reader = None;
            let Some(failures) = response else { return };
            let failed = failures.first().and_then(|failed| {
                let records = stream.records.iter().skip(stream.position).take(count);
                records.into_iter().position(|record| record["dynamodb"]["SequenceNumber"] == json!(failed))
            });
            let done = if failures.is_empty() { count } else { failed.unwrap_or(0) };
            stream.position += done;
        }
    }

    /// Delivers an event of the account context to the queue.
    pub(crate) fn enqueue(&mut self, id: &str, body: &str, visible_at_ms: u64) {
        let copies = self.sent.entry(id.to_owned()).or_default();
        *copies += 1;
        let message = Message { body: body.to_owned(), visible_at_ms, receives: 0, receivers: BTreeSet::new() };
        self.queue.insert(format!("{id}/{copies}"), message);
    }

    /// The messages that can be received: those that no consumer has, and, rarely, those that one has.
    pub(crate) fn receivable(&self, now_ms: u64, received: bool) -> Vec<String> {
        let visible =
            |message: &&Message| message.visible_at_ms <= now_ms && (received || message.receivers.is_empty());
        self.queue.iter().filter(|(_, message)| visible(message)).map(|(id, _)| id.clone()).collect()
    }

    /// Hands messages to a consumer. Those that were received too often move to the dead-letter queue instead.
    pub(crate) fn receive(&mut self, ids: &[String], by: TaskId) -> Batch {
        let mut messages = Vec::new();
        for id in ids {
            let Some(message) = self.queue.get_mut(id) else { continue };
            if message.receives >= MAX_RECEIVES && message.receivers.is_empty() {
                self.dead.extend(self.queue.remove_entry(id));
                continue;
            }
            message.receives += 1;
            message.receivers.insert(by);
            messages.push((id.clone(), message.body.clone()));
        }
        Batch { messages }
    }

    /// Deletes the messages of a batch but the failed ones; none if the consumer ended without a response. Returns the
    /// bodies of the deleted ones.
    pub(crate) fn finish_receive(&mut self, by: TaskId, response: Option<&[String]>) -> Vec<String> {
        let received = |(id, message): (&String, &mut Message)| message.receivers.remove(&by).then(|| id.clone());
        let received: Vec<_> = self.queue.iter_mut().filter_map(received).collect();
        let Some(failures) = response else { return Vec::new() };
        let done = received.into_iter().filter(|id| !failures.contains(id));
        done.filter_map(|id| self.queue.remove(&id)).map(|message| message.body).collect()
    }

    pub(crate) fn has_dead_messages(&self) -> bool {
        !self.dead.is_empty()
    }

    /// Moves the messages of the dead-letter queue back.
    pub(crate) fn redrive(&mut self) {
        for (id, message) in std::mem::take(&mut self.dead) {
            self.queue.insert(id, Message { receives: 0, ..message });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.dead.is_empty() && self.unread_streams().is_empty()
    }
}

/// A topic as a publisher sees it.
pub(crate) struct Topic {
    pub(crate) network: Network,
    pub(crate) table: &'static str,
}

impl<E: Event + Serialize + Sync> PublishEvents<E> for Topic {
    const MAX_EVENTS: usize = 10;

    async fn publish_events(&self, events: &[Envelope<E>]) -> Vec<Result<(), PublishError>> {
        let sent: Vec<_> = events
            .iter()
            .map(|event| json!({"id": event.id, "body": serde_json::to_string(event).expect("an event in JSON")}))
            .collect();
        let request = json!({"table": self.table, "events": sent});
        let error = |why: &str| Err(PublishError(why.to_owned()));
        match self.network.request(PUBLISH, request.to_string()).await {
            Err(lost) => events.iter().map(|_| error(&lost.to_string())).collect(),
            Ok(reply) => {
                let failed: Vec<usize> = serde_json::from_str(&reply.body).expect("a list of numbers");
                let outcome = |index| if failed.contains(&index) { error("rejected") } else { Ok(()) };
                (0..events.len()).map(outcome).collect()
            }
        }
    }
}
