//! What the account context tells.

use kernel::{KeyId, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::Event;

/// What happened on the account side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum AccountEvent {
    /// A person signed up.
    #[serde(rename = "user:created")]
    UserCreated(User),
    /// Something about a person changed; the data is the whole of the new state.
    #[serde(rename = "user:updated")]
    UserUpdated(User),
    /// A key that signs access tokens was published, or its state changed.
    #[serde(rename = "signing-key:published")]
    SigningKeyPublished(SigningKey),
    /// A key verifies no more: whatever it signed has expired.
    #[serde(rename = "signing-key:retired")]
    SigningKeyRetired(RetiredKey),
    /// One session of a person ended before its time. What ends by itself, or with the person's epoch, is not told.
    #[serde(rename = "session:ended")]
    SessionEnded(SessionEnd),
}

impl Event for AccountEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::UserCreated(_) => "user:created",
            Self::UserUpdated(_) => "user:updated",
            Self::SigningKeyPublished(_) => "signing-key:published",
            Self::SigningKeyRetired(_) => "signing-key:retired",
            Self::SessionEnded(_) => "session:ended",
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

/// A key that verifies no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetiredKey {
    /// The key's id.
    pub kid: KeyId,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEnd {
    /// Whose it was.
    pub user_id: UserId,
    /// The session: the `sid` of its tokens.
    pub session_id: SessionId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// When the last of its access tokens expires: until then whoever relies on tokens alone must know of the end.
    pub tokens_expire_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Envelope, Unreadable};

    fn created() -> Value {
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

    fn read(event: &Value) -> Result<Envelope<AccountEvent>, Unreadable> {
        Envelope::read(&event.to_string())
    }

    #[test]
    fn an_event_reads_and_writes_as_the_contract_says() {
        let envelope = read(&created()).unwrap();
        assert_eq!(envelope.event.name(), "user:created");
        assert_eq!(serde_json::to_value(&envelope).unwrap(), created());
    }

    #[test]
    fn a_field_that_a_later_build_adds_is_ignored() {
        let mut event = created();
        event["data"]["nickname"] = json!("Ada");
        event["traceId"] = json!("1-2-3");
        assert!(read(&event).is_ok());
    }

    #[test]
    fn a_newer_schema_is_refused_even_where_its_data_cannot_be_read() {
        let mut event = created();
        event["schemaVersion"] = json!(2);
        event["data"] = json!("something else");
        assert!(matches!(read(&event), Err(Unreadable::TooNew(2))));
    }

    #[test]
    fn an_unknown_type_or_a_broken_body_is_refused() {
        let mut event = created();
        event["type"] = json!("user:vanished");
        for body in [event.to_string(), String::new(), "{}".to_owned(), "[]".to_owned()] {
            let read = Envelope::<AccountEvent>::read(&body);
            assert!(matches!(read, Err(Unreadable::Malformed(_))), "{body}");
        }
    }
}
