//! Conversion of stream records of the account table to published events.

use ::outbox::{EventRecord, RecordDecodeError, key_matches, new_image, version_increased};
use auth::table_keys;
use contracts::{AccountEvent, Envelope, RetiredKey, SessionEnd, SigningKey};
use kernel::Timestamp;
use serde::Deserialize;

use crate::domain::UserStatus;
use crate::store::{PROFILE, PublicKeyRecord, PublicKeyStatus, SESSION_PREFIX, SessionRecord, UserRecord};

/// Returns the event to publish for a stream record: a user or a public key was added or changed, or a session was ended
/// before its expiry. Returns `None` for all other records.
///
/// # Errors
///
/// [`RecordDecodeError`] if a record that is published cannot be deserialized.
pub fn event_from_record(record: &EventRecord) -> Result<Option<Envelope<AccountEvent>>, RecordDecodeError> {
    let event = if key_matches(record, |_pk, sk| sk == PROFILE)? {
        user_event(new_image(record)?)
    } else if key_matches(record, |pk, _sk| pk == table_keys::PARTITION)? {
        signing_key_event(new_image(record)?)
    } else if key_matches(record, |_pk, sk| sk.starts_with(SESSION_PREFIX))? {
        // Other changes of a session are not published, so the rest of the item is read only if it has ended.
        let SessionEndAttribute { ended_at } = new_image(record)?;
        let Some(ended_at) = ended_at else { return Ok(None) };
        session_end_event(&new_image(record)?, ended_at)
    } else {
        return Ok(None);
    };
    Ok(version_increased(record, event.aggregate_version).then_some(event))
}

fn user_event(UserRecord { id, user, .. }: UserRecord) -> Envelope<AccountEvent> {
    let status = match user.status {
        UserStatus::Active => contracts::UserStatus::Active,
        UserStatus::Suspended => contracts::UserStatus::Suspended,
    };
    let event_data = contracts::User { id, email: user.email, status, epoch: user.epoch };
    let event =
        if user.version == 1 { AccountEvent::UserCreated(event_data) } else { AccountEvent::UserUpdated(event_data) };
    Envelope::new(id.to_string(), user.version, user.updated_at, event)
}

fn signing_key_event(record: PublicKeyRecord) -> Envelope<AccountEvent> {
    let PublicKeyRecord { kid, public_key, version, updated_at, .. } = record;
    let event = match record.status {
        PublicKeyStatus::Published => AccountEvent::SigningKeyPublished(SigningKey { kid: kid.clone(), public_key }),
        PublicKeyStatus::Retired => AccountEvent::SigningKeyRetired(RetiredKey { kid: kid.clone() }),
    };
    Envelope::new(kid.as_str(), version, updated_at, event)
}

/// The attribute of a session that distinguishes an ended one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionEndAttribute {
    ended_at: Option<Timestamp>,
}

fn session_end_event(session: &SessionRecord, ended_at: Timestamp) -> Envelope<AccountEvent> {
    let event_data = SessionEnd {
        user_id: session.user_id,
        session_id: session.id,
        ended_at,
        tokens_expire_at: session.token_expires_at,
        last_token_issued_at: Some(session.last_used_at),
    };
    Envelope::new(session.id.to_string(), session.version, ended_at, AccountEvent::SessionEnded(event_data))
}

#[cfg(test)]
mod tests {
    use ::contracts::Event;
    use contact::Email;
    use kernel::testing::SeededRandom;
    use kernel::{Timestamp, UserId};
    use serde_dynamo::Item;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{self, User};

    const ADA: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";

    fn user(version: u64) -> Value {
        json!({
            "pk": {"S": format!("USER#{ADA}")}, "sk": {"S": "PROFILE"}, "id": {"S": ADA},
            "email": {"S": "ada@example.com"}, "phone": {"S": "+33612345678"}, "status": {"S": "ACTIVE"},
            "epoch": {"N": "0"}, "version": {"N": version.to_string()},
            "createdAt": {"S": "2026-01-31T12:00:00.000Z"}, "updatedAt": {"S": "2026-01-31T12:00:00.000Z"}
        })
    }

    fn public_key(status: &str, version: u64) -> Value {
        json!({
            "pk": {"S": "SIGNING_KEYS"}, "sk": {"S": "KEY#k1"}, "kid": {"S": "k1"}, "publicKey": {"S": "AAAA"},
            "status": {"S": status}, "version": {"N": version.to_string()},
            "createdAt": {"S": "2026-01-31T12:00:00.000Z"}, "updatedAt": {"S": "2026-01-31T12:00:00.000Z"}
        })
    }

    fn event(name: &str, old: &Value, new: &Value) -> Result<Option<Envelope<AccountEvent>>, RecordDecodeError> {
        let image = if new.is_null() { old } else { new };
        let record = json!({
            "eventID": "e", "eventName": name, "awsRegion": "eu-west-1",
            "dynamodb": {
                "Keys": {"pk": image["pk"], "sk": image["sk"]},
                "OldImage": old, "NewImage": new, "SequenceNumber": "1", "SizeBytes": 1
            }
        });
        event_from_record(&serde_json::from_value(record).unwrap())
    }

    #[test]
    fn new_user_is_published_without_phone() {
        let event = event("INSERT", &Value::Null, &user(1)).unwrap().unwrap();
        assert_eq!(
            serde_json::to_value(event).unwrap(),
            json!({
                "id": format!("{ADA}.1"), "type": "user:created", "schemaVersion": 1,
                "aggregateId": ADA, "aggregateVersion": 1, "occurredAt": "2026-01-31T12:00:00.000Z",
                "data": {"id": ADA, "email": "ada@example.com", "status": "ACTIVE", "epoch": 0}
            })
        );
    }

    #[test]
    fn user_is_published_only_with_increased_version() {
        let event_of = |old, new| event("MODIFY", &user(old), &user(new)).unwrap();
        let changed = event_of(1, 2).unwrap();
        assert_eq!((changed.event.name(), changed.aggregate_version), ("user:updated", 2));
        assert_eq!(event_of(2, 2), None);
        assert_eq!(event_of(3, 2), None);
    }

    #[test]
    fn public_key_is_published_when_added_and_when_retired() {
        let published = event("INSERT", &Value::Null, &public_key("PUBLISHED", 1)).unwrap().unwrap();
        let kid = kernel::KeyId::new("k1");
        let key = SigningKey { kid: kid.clone(), public_key: "AAAA".to_owned() };
        assert_eq!((published.id.as_str(), published.event), ("k1.1", AccountEvent::SigningKeyPublished(key)));
        for before in ["PUBLISHED", "CURRENT"] {
            let retired = event("MODIFY", &public_key(before, 1), &public_key("RETIRED", 2)).unwrap().unwrap();
            let end = AccountEvent::SigningKeyRetired(RetiredKey { kid: kid.clone() });
            assert_eq!((retired.id.as_str(), retired.aggregate_id.as_str(), retired.event), ("k1.2", "k1", end));
        }
    }

    const SESSION: &str = "1190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";

    fn session(ended: bool) -> Value {
        let mut item = json!({
            "pk": {"S": format!("USER#{ADA}")}, "sk": {"S": format!("SESSION#{SESSION}")}, "id": {"S": SESSION},
            "userId": {"S": ADA}, "version": {"N": "1"}, "createdAt": {"S": "2026-01-31T12:00:00.000Z"},
            "lastUsedAt": {"S": "2026-01-31T12:00:00.000Z"}, "epoch": {"N": "0"},
            "absoluteExpiresAt": {"S": "2026-02-01T12:00:00.000Z"}, "expiresAt": {"N": "1769864400"},
            "tokenExpiresAt": {"S": "2026-01-31T12:15:00.000Z"}, "refreshHash": {"S": "AAAA"}
        });
        if ended {
            item["version"] = json!({"N": "2"});
            item["endedAt"] = json!({"S": "2026-01-31T12:05:00.000Z"});
        }
        item
    }

    #[test]
    fn ended_session_is_published_with_token_expiry() {
        let event = event("MODIFY", &session(false), &session(true)).unwrap().unwrap();
        assert_eq!(
            serde_json::to_value(event).unwrap(),
            json!({
                "id": format!("{SESSION}.2"), "type": "session:ended", "schemaVersion": 1,
                "aggregateId": SESSION, "aggregateVersion": 2, "occurredAt": "2026-01-31T12:05:00.000Z",
                "data": {
                    "userId": ADA, "sessionId": SESSION, "endedAt": "2026-01-31T12:05:00.000Z",
                    "tokensExpireAt": "2026-01-31T12:15:00.000Z",
                    "lastTokenIssuedAt": "2026-01-31T12:00:00.000Z"
                }
            })
        );
    }

    #[test]
    fn session_start_refresh_and_removal_are_not_published() {
        let mut refreshed = session(false);
        refreshed["lastUsedAt"] = json!({"S": "2026-01-31T12:10:00.000Z"});
        let mut ended_and_changed = session(true);
        ended_and_changed["epoch"] = json!({"N": "1"});
        assert_eq!(event("INSERT", &Value::Null, &session(false)).unwrap(), None);
        assert_eq!(event("MODIFY", &session(false), &refreshed).unwrap(), None);
        assert_eq!(event("MODIFY", &session(true), &ended_and_changed).unwrap(), None);
        for item in [session(false), session(true)] {
            assert_eq!(event("REMOVE", &item, &Value::Null).unwrap(), None);
        }
    }

    #[test]
    fn other_items_and_removals_are_not_published() {
        let session = json!({"pk": {"S": format!("USER#{ADA}")}, "sk": {"S": "SESSION#1"}});
        let identifier = json!({"pk": {"S": "IDENTIFIER#email#ada@example.com"}, "sk": {"S": "IDENTIFIER"}});
        for item in [session, identifier] {
            assert_eq!(event("INSERT", &Value::Null, &item).unwrap(), None, "{item}");
        }
        assert_eq!(event("REMOVE", &user(1), &Value::Null).unwrap(), None);
    }

    #[test]
    fn unreadable_published_item_is_an_error() {
        for field in ["id", "email", "status", "epoch", "version", "updatedAt"] {
            let mut item = user(1);
            item.as_object_mut().unwrap().remove(field);
            assert!(event("INSERT", &Value::Null, &item).is_err(), "{field}");
            assert!(event("MODIFY", &user(1), &item).is_err(), "{field}");
        }
        for field in ["id", "userId", "version", "tokenExpiresAt"] {
            let mut item = session(true);
            item.as_object_mut().unwrap().remove(field);
            assert!(event("MODIFY", &session(false), &item).is_err(), "{field}");
        }
        for field in ["kid", "publicKey", "status", "version"] {
            let mut item = public_key("PUBLISHED", 1);
            item[field] = json!({"NULL": true});
            assert!(event("INSERT", &Value::Null, &item).is_err(), "{field}");
        }
    }

    #[test]
    fn stored_records_are_published() {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        let ada = User::new(UserId::random(&SeededRandom::new(1)), email, None, now);
        let key = domain::SigningKey::generate(&SeededRandom::new(1)).unwrap();
        let user = serde_json::to_value(serde_dynamo::to_item::<_, Item>(UserRecord::from(&ada)).unwrap());
        let public = serde_json::to_value(serde_dynamo::to_item::<_, Item>(PublicKeyRecord::new(&key, now)).unwrap());
        let event_of = |item: &Value| event("INSERT", &Value::Null, item).unwrap().unwrap();
        assert_eq!(event_of(&user.unwrap()).aggregate_id, ada.id.to_string());
        assert_eq!(event_of(&public.unwrap()).aggregate_id, key.kid().as_str());
    }
}
