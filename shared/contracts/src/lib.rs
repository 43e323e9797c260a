//! The events that leave the contexts, and nothing else: what one side may know of the other.
//!
//! Every event is an [`Envelope`] around an [`Event`], an [`AccountEvent`] or a [`PaymentEvent`]. An aggregate's events
//! carry its version, which only ever grows; a consumer applies an event only if its version is newer than the one it
//! holds, so duplicates and reordering change nothing. Data is added in place (an unknown field is ignored); a change
//! that an old consumer would misread raises [`SCHEMA_VERSION`], and consumers refuse what is newer than they know, so
//! that it waits in the dead-letter queue for a consumer that does.

use kernel::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod account;
mod payment;

pub use account::{AccountEvent, RetiredKey, SessionEnd, SigningKey, User, UserStatus};
pub use payment::{Payment, PaymentEvent, PaymentStatus, Transfer};

/// The version of the data's shape that this build writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Something that happened in one of the contexts.
pub trait Event {
    /// The event's name on the wire, also sent as the message attribute `type`, which subscriptions can filter by.
    fn name(&self) -> &'static str;
}

/// One event, as it stands in a message's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<E> {
    /// The same for every delivery of the same event.
    pub id: String,
    /// The shape of the data.
    pub schema_version: u32,
    /// What the event is about: a user's, a session's or a key's id, a payment's reference.
    pub aggregate_id: String,
    /// 1 for the aggregate's first event; higher is newer.
    pub aggregate_version: u64,
    /// When the change was made.
    pub occurred_at: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: E,
}

/// Why a message is no event that this build can apply.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON of an envelope, or an event this build does not know.
    #[error("not an event of this contract: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer build.
    #[error("schema version {0} is newer than {SCHEMA_VERSION}, the newest this build reads")]
    TooNew(u32),
}

impl<E> Envelope<E> {
    /// An event of this build's schema version. Its id is the aggregate's id and version, so that every delivery of the
    /// same change, however it came about, bears the same id.
    pub fn new(aggregate_id: impl Into<String>, aggregate_version: u64, occurred_at: Timestamp, event: E) -> Self {
        let aggregate_id = aggregate_id.into();
        Self {
            id: format!("{aggregate_id}.{aggregate_version}"),
            schema_version: SCHEMA_VERSION,
            aggregate_id,
            aggregate_version,
            occurred_at,
            event,
        }
    }
}

impl<E: DeserializeOwned> Envelope<E> {
    /// Reads a message's body.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is not an event that this build can apply.
    pub fn read(body: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            schema_version: u32,
        }
        let Version { schema_version } = serde_json::from_str(body)?;
        if schema_version > SCHEMA_VERSION {
            return Err(Unreadable::TooNew(schema_version));
        }
        Ok(serde_json::from_str(body)?)
    }
}
