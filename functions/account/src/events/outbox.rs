//! From a record of the account table's stream to the event that other contexts are told.

use ::outbox::{EventRecord, UnreadableRecord, is_newer, is_of, new_image};
use contracts::{AccountEvent, Envelope, SigningKey, User, UserStatus};
use runtime::keys;

use crate::domain::PersonStatus;
use crate::store::items::{PROFILE, PersonItem, PublicKeyItem};

/// The event that this record is of, if it is of one: a person or a public key is there that was not, or has changed.
///
/// # Errors
///
/// [`UnreadableRecord`] if it should be of one, but cannot be read.
pub fn to_publish(record: &EventRecord) -> Result<Option<Envelope<AccountEvent>>, UnreadableRecord> {
    let event = if is_of(record, |_pk, sk| sk == PROFILE)? {
        person_event(new_image(record)?)
    } else if is_of(record, |pk, _sk| pk == keys::PARTITION)? {
        signing_key_event(new_image(record)?)
    } else {
        return Ok(None);
    };
    Ok(is_newer(record, event.aggregate_version).then_some(event))
}

fn person_event(PersonItem { id, person, .. }: PersonItem) -> Envelope<AccountEvent> {
    let status = match person.status {
        PersonStatus::Active => UserStatus::Active,
        PersonStatus::Suspended => UserStatus::Suspended,
    };
    let user = User { id, email: person.email, status, epoch: person.epoch };
    let event = if person.version == 1 { AccountEvent::UserCreated(user) } else { AccountEvent::UserUpdated(user) };
    Envelope::new(id.to_string(), person.version, person.updated_at, event)
}

fn signing_key_event(item: PublicKeyItem) -> Envelope<AccountEvent> {
    let key = SigningKey { kid: item.kid.clone(), public_key: item.public_key };
    Envelope::new(item.kid.as_str(), item.version, item.updated_at, AccountEvent::SigningKeyPublished(key))
}

#[cfg(test)]
mod tests {
    use ::contracts::Event;
    use contact::Email;
    use kernel::random::Seeded;
    use kernel::{Timestamp, UserId};
    use serde_dynamo::Item;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{self, Person};

    const ADA: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";

    fn person(version: u64) -> Value {
        json!({
            "pk": {"S": format!("USER#{ADA}")}, "sk": {"S": "PROFILE"}, "id": {"S": ADA},
            "email": {"S": "ada@example.com"}, "phone": {"S": "+33612345678"}, "status": {"S": "ACTIVE"},
            "epoch": {"N": "0"}, "version": {"N": version.to_string()},
            "createdAt": {"S": "2026-01-31T12:00:00.000Z"}, "updatedAt": {"S": "2026-01-31T12:00:00.000Z"}
        })
    }

    fn public_key() -> Value {
        json!({
            "pk": {"S": "SIGNING_KEYS"}, "sk": {"S": "KEY#k1"}, "kid": {"S": "k1"}, "publicKey": {"S": "AAAA"},
            "status": {"S": "CURRENT"}, "version": {"N": "1"},
            "createdAt": {"S": "2026-01-31T12:00:00.000Z"}, "updatedAt": {"S": "2026-01-31T12:00:00.000Z"}
        })
    }

    fn event(name: &str, old: &Value, new: &Value) -> Result<Option<Envelope<AccountEvent>>, UnreadableRecord> {
        let image = if new.is_null() { old } else { new };
        let record = json!({
            "eventID": "e", "eventName": name, "awsRegion": "eu-west-1",
            "dynamodb": {
                "Keys": {"pk": image["pk"], "sk": image["sk"]},
                "OldImage": old, "NewImage": new, "SequenceNumber": "1", "SizeBytes": 1
            }
        });
        to_publish(&serde_json::from_value(record).unwrap())
    }

    #[test]
    fn a_new_person_is_published_without_their_phone() {
        let event = event("INSERT", &Value::Null, &person(1)).unwrap().unwrap();
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
    fn a_changed_person_is_published_and_one_with_the_same_version_is_not() {
        let event_of = |old, new| event("MODIFY", &person(old), &person(new)).unwrap();
        let changed = event_of(1, 2).unwrap();
        assert_eq!((changed.event.name(), changed.aggregate_version), ("user:updated", 2));
        assert_eq!(event_of(2, 2), None);
        assert_eq!(event_of(3, 2), None);
    }

    #[test]
    fn a_public_key_is_published() {
        let event = event("INSERT", &Value::Null, &public_key()).unwrap().unwrap();
        let key = SigningKey { kid: kernel::KeyId::new("k1"), public_key: "AAAA".to_owned() };
        assert_eq!((event.id.as_str(), event.event), ("k1.1", AccountEvent::SigningKeyPublished(key)));
    }

    #[test]
    fn other_items_and_what_was_removed_are_not_published() {
        let session = json!({"pk": {"S": format!("USER#{ADA}")}, "sk": {"S": "SESSION#1"}});
        let identifier = json!({"pk": {"S": "IDENTIFIER#email#ada@example.com"}, "sk": {"S": "IDENTIFIER"}});
        for item in [session, identifier] {
            assert_eq!(event("INSERT", &Value::Null, &item).unwrap(), None, "{item}");
        }
        assert_eq!(event("REMOVE", &person(1), &Value::Null).unwrap(), None);
    }

    #[test]
    fn an_item_that_should_be_published_and_cannot_be_read_is_an_error() {
        for field in ["id", "email", "status", "epoch", "version", "updatedAt"] {
            let mut item = person(1);
            item.as_object_mut().unwrap().remove(field);
            assert!(event("INSERT", &Value::Null, &item).is_err(), "{field}");
            assert!(event("MODIFY", &person(1), &item).is_err(), "{field}");
        }
        let mut item = public_key();
        item["publicKey"] = json!({"NULL": true});
        assert!(event("INSERT", &Value::Null, &item).is_err());
    }

    #[test]
    fn what_the_store_writes_is_what_is_published() {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        let ada = Person::new(UserId::random(&Seeded::new(1)), email, None, now);
        let key = domain::SigningKey::generate(&Seeded::new(1)).unwrap();
        let person = serde_json::to_value(serde_dynamo::to_item::<_, Item>(PersonItem::from(&ada)).unwrap());
        let public = serde_json::to_value(serde_dynamo::to_item::<_, Item>(PublicKeyItem::new(&key, now)).unwrap());
        let event_of = |item: &Value| event("INSERT", &Value::Null, item).unwrap().unwrap();
        assert_eq!(event_of(&person.unwrap()).aggregate_id, ada.id.to_string());
        assert_eq!(event_of(&public.unwrap()).aggregate_id, key.kid().as_str());
    }
}
