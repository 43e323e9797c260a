//! The events that travel between the contexts, and nothing else: what one side may know of the other.
//!
//! Every event is an [`Envelope`] around [`Event`]. An aggregate's events carry its version, which only ever grows; a
//! consumer applies an event only if its version is newer than the one it holds, so duplicates and reordering change
//! nothing. Data is added in place (an unknown field is ignored); a change that an old consumer would misread raises
//! [`SCHEMA_VERSION`], and consumers refuse what is newer than they know, so that it waits in the dead-letter queue
//! for a consumer that does.

use kernel::{KeyId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// The version of the data's shape that this build writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// One event, as it stands in a message's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The same for every delivery of the same event.
    pub id: String,
    /// The shape of the data.
    pub schema_version: u32,
    /// What the event is about: a user's id, a key's id.
    pub aggregate_id: String,
    /// 1 for the aggregate's first event; higher is newer.
    pub aggregate_version: u64,
    /// When the change was made.
    pub occurred_at: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// A person signed up.
    #[serde(rename = "user:created")]
    UserCreated(User),
    /// Something about a person changed; the data is the whole of the new state.
    #[serde(rename = "user:updated")]
    UserUpdated(User),
    /// A key that signs access tokens was published, or its state changed.
    #[serde(rename = "signing-key:published")]
    SigningKeyPublished(SigningKey),
}

impl Event {
    /// The event's name on the wire, also sent as the message attribute `type`, which subscriptions can filter by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UserCreated(_) => "user:created",
            Self::UserUpdated(_) => "user:updated",
            Self::SigningKeyPublished(_) => "signing-key:published",
        }
    }
}

/// A person, as far as other contexts may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The person's id.
    pub id: UserId,
    /// The person's e-mail address, normalised.
    pub email: String,
    /// Whether the person may act.
    pub status: UserStatus,
    /// Raised when all of the person's tokens so far are revoked: a token with a lower epoch moves no money.
    pub epoch: u64,
}

/// Whether a person may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    /// May.
    Active,
    /// May not, until an operator says otherwise.
    Suspended,
}

/// The public half of a key that signs access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// The key's id: the `kid` in a token's header.
    pub kid: KeyId,
    /// The 32 bytes of the Ed25519 public key in base64url without padding: the `x` of an RFC 8037 JWK.
    pub public_key: String,
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

impl Envelope {
    /// An event of this build's schema version. Its id is the aggregate's id and version, so that every delivery of the
    /// same change, however it came about, bears the same id.
    pub fn new(aggregate_id: impl Into<String>, aggregate_version: u64, occurred_at: Timestamp, event: Event) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn created() -> serde_json::Value {
        json!({
            "id": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b.1",
            "type": "user:created",
            "schemaVersion": 1,
            "aggregateId": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
            "aggregateVersion": 1,
            "occurredAt": "2026-01-31T12:00:00.000Z",
            "data": {
                "id": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
                "email": "ada@example.com",
                "status": "ACTIVE",
                "epoch": 0
            }
        })
    }

    #[test]
    fn an_event_reads_and_writes_as_the_contract_says() {
        let envelope = Envelope::read(&created().to_string()).unwrap();
        assert_eq!(envelope.event.name(), "user:created");
        assert_eq!(serde_json::to_value(&envelope).unwrap(), created());
    }

    #[test]
    fn a_field_that_a_later_build_adds_is_ignored() {
        let mut event = created();
        event["data"]["nickname"] = json!("Ada");
        event["traceId"] = json!("1-2-3");
        assert!(Envelope::read(&event.to_string()).is_ok());
    }

    #[test]
    fn a_newer_schema_is_refused_even_where_its_data_cannot_be_read() {
        let mut event = created();
        event["schemaVersion"] = json!(2);
        event["data"] = json!("something else");
        assert!(matches!(Envelope::read(&event.to_string()), Err(Unreadable::TooNew(2))));
    }

    #[test]
    fn an_unknown_type_or_a_broken_body_is_refused() {
        let mut event = created();
        event["type"] = json!("user:vanished");
        for body in [event.to_string(), String::new(), "{}".to_owned(), "[]".to_owned()] {
            assert!(matches!(Envelope::read(&body), Err(Unreadable::Malformed(_))), "{body}");
        }
    }
}
