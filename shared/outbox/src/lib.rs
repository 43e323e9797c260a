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
pub use publish::{PublishError, PublishEvents, publish};
pub use record::{RecordDecodeError, key_matches, new_image, version_increased};
use serde::Serialize;
pub use topic::Topic;

/// Runs the function that publishes a table's stream to the topic in `TOPIC_ARN`.
pub fn serve<E>(event_from_record: fn(&EventRecord) -> Result<Option<Envelope<E>>, RecordDecodeError>) -> ExitCode
where
    E: Event + Serialize + Send + Sync + 'static,
{
    lambda::serve_events(
        async |env| Topic::from_env(&env),
        move |topic, event| async move { publish(topic, &event, event_from_record).await },
    )
}
