//! The outbox: a change and its event are one write, and the table's stream carries it to a topic.
//! A context maps stream records to events; this crate publishes them in order, in batches of the topic's maximum size, up
//! to the first failure. That record is reported, and Lambda redelivers it and all later ones: no event is lost, and
//! consumers ignore duplicates by version.

mod publish;
mod record;
mod topic;

use std::process::ExitCode;

pub use aws_lambda_events::dynamodb::EventRecord;
use contracts::{Envelope, Event};
pub use publish::{NotPublished, PublishEvents, publish};
pub use record::{UnreadableRecord, is_newer, is_of, new_image};
use serde::Serialize;
pub use topic::Topic;

/// Runs the function that publishes a table's stream to the topic in `TOPIC_ARN`.
pub fn serve<E>(to_publish: fn(&EventRecord) -> Result<Option<Envelope<E>>, UnreadableRecord>) -> ExitCode
where
    E: Event + Serialize + Send + Sync + 'static,
{
    lambda::serve_events(
        async |env| Topic::from_env(&env),
        move |topic, event| async move { publish(topic, &event, to_publish).await },
    )
}
