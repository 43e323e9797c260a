//! What the tables hold: keys, and items as they are written and read.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | person | `USER#<user id>` | `PROFILE` |
//! | identifier | `IDENTIFIER#email#<e-mail>`, `IDENTIFIER#phone#<number>` | `IDENTIFIER` |
//! | session | `USER#<user id>` | `SESSION#<session id>` |
//! | public key | `SIGNING_KEYS` | `KEY#<kid>` |
//! | private key, in the table of its own | `SIGNING_KEYS` | `KEY#<kid>` |
//! | which private key signs, in that table too | `CURRENT_SIGNING_KEY` | `CURRENT_SIGNING_KEY` |
//!
//! The stream publishes the person and the public key, and nothing else: one item per change, for the records of one
//! transaction may come apart.
//!
//! An identifier holds the hash of the password, and a copy of the person as of the `version` in it. So a sign-in has
//! all it needs from one read; whoever changes a person changes the copies in the same transaction, and whoever relies
//! on a copy has the version checked in the transaction that follows. A new password is such a change too.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contact::{Email, Phone};
use kernel::{KeyId, SessionId, Timestamp, UserId};
use runtime::keys;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Credential, StoreError};
use crate::domain::{Identifier, PasswordHash, Person, PersonStatus, Session, SigningKey};

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The sort key of a person.
pub const PROFILE: &str = "PROFILE";
/// Keys of the item that names the private key that signs. It is not in the partition of the keys, which holds nothing
/// else.
pub(super) const CURRENT_SIGNING_KEY: &str = "CURRENT_SIGNING_KEY";
/// The status of the key that signs.
pub(super) const CURRENT: &str = "CURRENT";

const IDENTIFIER: &str = "IDENTIFIER";

pub(super) fn user_partition(id: UserId) -> String {
    format!("USER#{id}")
}

fn identifier_partition(identifier: &Identifier) -> String {
    format!("IDENTIFIER#{}#{}", identifier.kind().name(), identifier.as_str())
}

fn session_sort_key(id: SessionId) -> String {
    format!("SESSION#{id}")
}

/// A primary key.
pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk.into())), ("sk".to_owned(), AttributeValue::S(sk.into()))])
}

pub(super) fn person_key(id: UserId) -> Item {
    key(user_partition(id), PROFILE)
}

pub(super) fn identifier_key(identifier: &Identifier) -> Item {
    key(identifier_partition(identifier), IDENTIFIER)
}

pub(super) fn session_key(user: UserId, session: SessionId) -> Item {
    key(user_partition(user), session_sort_key(session))
}

pub(super) fn write(item: impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(item).map_err(StoreError::broken)
}

pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(StoreError::broken)
}

#[derive(Serialize, Deserialize)]
struct Key {
    pk: String,
    sk: String,
}

/// A person.
#[derive(Serialize, Deserialize)]
pub struct PersonItem {
    #[serde(flatten)]
    key: Key,
    /// The person's id.
    pub id: UserId,
    /// What else there is to know of them.
    #[serde(flatten)]
    pub person: PersonAttributes,
}

/// What there is to know of a person beside their id.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonAttributes {
    /// In lower case.
    pub email: String,
    /// In the form of E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether they may act.
    pub status: PersonStatus,
    /// Raised when all of their tokens so far are revoked.
    pub epoch: u64,
    /// Raised by every change.
    pub version: u64,
    /// When they signed up.
    pub created_at: Timestamp,
    /// When they last changed.
    pub updated_at: Timestamp,
}

/// What a person signs in by.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentifierItem {
    #[serde(flatten)]
    key: Key,
    user_id: UserId,
    password_hash: String,
    #[serde(flatten)]
    person: PersonAttributes,
}

/// A session.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionItem {
    #[serde(flatten)]
    key: Key,
    id: SessionId,
    created_at: Timestamp,
    /// In seconds since 1970: from then on DynamoDB may delete the item.
    expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

/// The public half of a signing key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyItem {
    #[serde(flatten)]
    key: Key,
    /// The key's id.
    pub kid: KeyId,
    /// The 32 bytes in base64url without padding.
    pub public_key: String,
    /// What it is used for.
    status: String,
    /// Raised by every change.
    pub version: u64,
    created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The private half of a signing key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PrivateKeyItem {
    #[serde(flatten)]
    key: Key,
    kid: KeyId,
    /// A PKCS#8 document in base64.
    pub(super) private_key: String,
    pub(super) status: String,
    created_at: Timestamp,
}

/// Which private key signs.
#[derive(Serialize, Deserialize)]
pub(super) struct CurrentKeyItem {
    #[serde(flatten)]
    key: Key,
    pub(super) kid: KeyId,
}

impl From<&Person> for PersonAttributes {
    fn from(person: &Person) -> Self {
        Self {
            email: person.email.as_str().to_owned(),
            phone: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            status: person.status,
            epoch: person.epoch,
            version: person.version,
            created_at: person.created_at,
            updated_at: person.updated_at,
        }
    }
}

impl PersonAttributes {
    fn into_person(self, id: UserId) -> Person {
        Person {
            id,
            email: Email::from_stored(self.email),
            phone: self.phone.map(Phone::from_stored),
            status: self.status,
            epoch: self.epoch,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl From<&Person> for PersonItem {
    fn from(person: &Person) -> Self {
        let key = Key { pk: user_partition(person.id), sk: PROFILE.to_owned() };
        Self { key, id: person.id, person: person.into() }
    }
}

impl From<PersonItem> for Person {
    fn from(item: PersonItem) -> Self {
        item.person.into_person(item.id)
    }
}

impl IdentifierItem {
    pub(super) fn new(identifier: &Identifier, person: &Person, hash: &PasswordHash) -> Self {
        Self {
            key: Key { pk: identifier_partition(identifier), sk: IDENTIFIER.to_owned() },
            user_id: person.id,
            password_hash: hash.expose().to_owned(),
            person: person.into(),
        }
    }
}

impl TryFrom<IdentifierItem> for Credential {
    type Error = StoreError;

    fn try_from(item: IdentifierItem) -> Result<Self, StoreError> {
        let password_hash = PasswordHash::from_stored(item.password_hash).map_err(StoreError::broken)?;
        Ok(Self { person: item.person.into_person(item.user_id), password_hash })
    }
}

impl SessionItem {
    pub(super) fn new(user: UserId, session: &Session) -> Self {
        Self {
            key: Key { pk: user_partition(user), sk: session_sort_key(session.id) },
            id: session.id,
            created_at: session.started_at,
            expires_at: session.expires_at.unix_seconds(),
            ended_at: session.ended_at,
        }
    }
}

impl TryFrom<SessionItem> for Session {
    type Error = StoreError;

    fn try_from(item: SessionItem) -> Result<Self, StoreError> {
        let expires_at = Timestamp::from_unix_seconds(item.expires_at).map_err(StoreError::broken)?;
        Ok(Self { id: item.id, started_at: item.created_at, expires_at, ended_at: item.ended_at })
    }
}

impl PublicKeyItem {
    /// The item of a key that is published for the first time.
    pub fn new(key: &SigningKey, now: Timestamp) -> Self {
        Self {
            key: key_item_key(key.kid()),
            kid: key.kid().clone(),
            public_key: key.public_key().to_owned(),
            status: CURRENT.to_owned(),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl PrivateKeyItem {
    pub(super) fn new(key: &SigningKey, now: Timestamp) -> Self {
        Self {
            key: key_item_key(key.kid()),
            kid: key.kid().clone(),
            private_key: STANDARD.encode(key.pkcs8().expose()),
            status: CURRENT.to_owned(),
            created_at: now,
        }
    }
}

impl CurrentKeyItem {
    pub(super) fn new(kid: &KeyId) -> Self {
        let key = Key { pk: CURRENT_SIGNING_KEY.to_owned(), sk: CURRENT_SIGNING_KEY.to_owned() };
        Self { key, kid: kid.clone() }
    }
}

fn key_item_key(kid: &KeyId) -> Key {
    Key { pk: keys::PARTITION.to_owned(), sk: keys::sort_key(kid) }
}
