//! The events that the contexts publish: all that one context may know of the other.
//! Every event is an [`Envelope`] around an [`Event`], an [`AccountEvent`] or a [`PaymentEvent`]. It carries the version of its
//! aggregate, which only grows; a consumer applies an event only if the version is newer than the stored one, so duplicates
//! and reordering change nothing. Compatible changes add fields, and unknown fields are ignored; a change that an older
//! consumer would misread raises [`SCHEMA_VERSION`], and consumers reject newer versions, which wait in the dead-letter
//! queue for a consumer that knows them.

use kernel::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod account;
mod payment;

pub use account::{AccountEvent, RetiredKey, SessionEnd, SigningKey, User, UserStatus};
pub use payment::{Payment, PaymentEvent, PaymentStatus, Transfer};

/// The schema version that this build writes, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// An event of one of the contexts.
pub trait Event {
    /// The event type on the wire, also sent as the message attribute `type` for subscription filters.
    fn name(&self) -> &'static str;
}

/// An event as the body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<E> {
    /// Equal for every delivery of the same event.
    pub id: String,
    pub schema_version: u32,
    /// The aggregate: the id of a user, session or key, or the reference of a payment.
    pub aggregate_id: String,
    /// 1 for the aggregate's first event; higher is newer.
    pub aggregate_version: u64,
    /// The time of the change.
    pub occurred_at: Timestamp,
    #[serde(flatten)]
    pub event: E,
}

/// The message cannot be applied by this build.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not an envelope, or an unknown event type.
    #[error("not an event of this contract: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer build.
    #[error("schema version {0} is newer than {SCHEMA_VERSION}, the newest this build reads")]
    TooNew(u32),
}

impl<E> Envelope<E> {
    /// Creates an event of the current schema version. Its id derives from the aggregate's id and version, so that every
    /// delivery of the same change has the same id.
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
    /// Decodes the body of a message.
    ///
    /// # Errors
    /// [`DecodeError`] if this build cannot apply the event.
    pub fn read(body: &str) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            schema_version: u32,
        }
        let Version { schema_version } = serde_json::from_str(body)?;
        if schema_version > SCHEMA_VERSION {
            return Err(DecodeError::TooNew(schema_version));
        }
        Ok(serde_json::from_str(body)?)
    }
}
