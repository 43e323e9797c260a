//! The outbox: a change of a table and its event are one write, and the table's stream carries it to a topic.
//!
//! A context says which of its records are events, by a function of a record; this crate does the rest. Records are
//! published in their order, in calls as large as the topic takes, up to the first that fails. That one is reported, so
//! Lambda delivers it and what follows it again: nothing is lost, and consumers, who apply only what is newer than what
//! they hold, do not mind what comes twice.

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

/// Runs the function between a table's stream and the topic that `TOPIC_ARN` names.
pub fn serve<E>(to_publish: fn(&EventRecord) -> Result<Option<Envelope<E>>, UnreadableRecord>) -> ExitCode
where
    E: Event + Serialize + Send + Sync + 'static,
{
    lambda::serve_events(
        async |env| Topic::from_env(&env),
        move |topic, event| async move { publish(topic, &event, to_publish).await },
    )
}
