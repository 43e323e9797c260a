//! Events of the account context.

use kernel::{KeyId, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::Event;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum AccountEvent {
    /// A user signed up.
    #[serde(rename = "user:created")]
    UserCreated(User),
    /// A user changed; the data is the complete new state.
    #[serde(rename = "user:updated")]
    UserUpdated(User),
    /// A signing key was published.
    #[serde(rename = "signing-key:published")]
    SigningKeyPublished(SigningKey),
    /// A signing key was retired: every token it signed has expired.
    #[serde(rename = "signing-key:retired")]
    SigningKeyRetired(RetiredKey),
    /// A session was ended before its expiry. Expiry and the rise of a user's epoch publish no such event.
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

/// A user, as far as other contexts may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: UserId,
    /// Normalized.
    pub email: String,
    pub status: UserStatus,
    /// Raised when all of the user's tokens are revoked: the ledger rejects tokens with a lower epoch.
    pub epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    Active,
    /// Suspended by an operator.
    Suspended,
}

/// The public half of a signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// The `kid` in a token's header.
    pub kid: KeyId,
    /// The 32 bytes of the Ed25519 public key in base64url without padding: the `x` of an RFC 8037 JWK.
    pub public_key: String,
}

/// A retired signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetiredKey {
    pub kid: KeyId,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEnd {
    pub user_id: UserId,
    /// The `sid` of the session's tokens.
    pub session_id: SessionId,
    pub ended_at: Timestamp,
    /// The expiry of the session's last access token: verifiers that rely on tokens alone must reject them until then.
    pub tokens_expire_at: Timestamp,
    /// The issue time of the session's last access token. Absent from older events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token_issued_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{DecodeError, Envelope};

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

    fn read(event: &Value) -> Result<Envelope<AccountEvent>, DecodeError> {
        Envelope::read(&event.to_string())
    }

    #[test]
    fn account_event_round_trips_in_its_documented_form() {
        let envelope = read(&created()).unwrap();
        assert_eq!(envelope.event.name(), "user:created");
        assert_eq!(serde_json::to_value(&envelope).unwrap(), created());
    }

    #[test]
    fn unknown_field_is_ignored() {
        let mut event = created();
        event["data"]["nickname"] = json!("Ada");
        event["traceId"] = json!("1-2-3");
        assert!(read(&event).is_ok());
    }

    #[test]
    fn newer_schema_version_is_rejected() {
        let mut event = created();
        event["schemaVersion"] = json!(2);
        event["data"] = json!("something else");
        assert!(matches!(read(&event), Err(DecodeError::TooNew(2))));
    }

    #[test]
    fn unknown_type_or_malformed_body_is_rejected() {
        let mut event = created();
        event["type"] = json!("user:vanished");
        for body in [event.to_string(), String::new(), "{}".to_owned(), "[]".to_owned()] {
            let read = Envelope::<AccountEvent>::read(&body);
            assert!(matches!(read, Err(DecodeError::Malformed(_))), "{body}");
        }
    }
}
