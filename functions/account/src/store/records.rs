//! What the tables hold: keys, and items as they are written and read.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | person | `USER#<user id>` | `PROFILE` |
//! | identifier | `IDENTIFIER#email#<e-mail>`, `IDENTIFIER#phone#<number>` | `IDENTIFIER` |
//! | session | `USER#<user id>` | `SESSION#<session id>` |
//! | attempts of a person who is signed in to show their password | `USER#<user id>` | `ATTEMPTS` |
//! | codes sent to a person | `USER#<user id>` | `VERIFICATION#email`, `VERIFICATION#phone` |
//! | public key | `SIGNING_KEYS` | `KEY#<kid>` |
//! | private key, in the table of its own | `SIGNING_KEYS` | `KEY#<kid>` |
//! | key ring: which of them signs, follows or has signed, in that table too | `CURRENT_SIGNING_KEY` | `CURRENT_SIGNING_KEY` |
//!
//! The stream publishes the person, the public key and the end of a session, and nothing else: one item per change, for
//! the records of one transaction may come apart.
//!
//! An identifier holds the hash of the password, and a copy of the person as of the `version` in it. So a sign-in has
//! all it needs from one read; whoever changes a person changes the copies in the same transaction, and whoever relies
//! on a copy has the version checked in the transaction that follows. A new password is such a change too.
//!
//! An identifier counts the attempts to sign in by it, whether anybody has it or not. Its `expiresAt` is when DynamoDB
//! may delete a counter that is nobody's; on an identifier that somebody has it is no number, and DynamoDB deletes only
//! by a number (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html>).

//!
//! A code is kept as a hash, and with it when it ends and how often it was tried; once it has been returned, these are
//! gone. When codes were sent is remembered for a day, whatever address they went to.

use std::collections::HashMap;

use auth::table_keys;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contact::{Email, Phone};
use kernel::{KeyId, SessionId, Timestamp, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Credential, NewCode, StoreError};
use crate::domain::verification_code::{CODE_PERIOD, CodeHistory};
use crate::domain::{
    Identifier, IdentifierKind, KeySet, KeySetEntry, PasswordHash, RefreshTokenHash, Rotation, RotationNonce, Session,
    SigningKey, User, UserStatus,
};

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The sort key of a person.
pub const PROFILE: &str = "PROFILE";
/// What the sort key of a session begins with.
pub const SESSION_PREFIX: &str = "SESSION#";
/// The version of a session that has ended.
pub(super) const ENDED_SESSION_VERSION: u64 = 2;
/// Keys of the key ring, called by what it held at first. It is not in the partition of the keys, which holds nothing else.
const KEY_RING: &str = "CURRENT_SIGNING_KEY";
/// The status of the private key that signs.
pub(super) const CURRENT: &str = "CURRENT";
/// The status of the private key that follows.
const NEXT: &str = "NEXT";

const IDENTIFIER: &str = "IDENTIFIER";

pub(super) fn user_partition(id: UserId) -> String {
    format!("USER#{id}")
}

fn identifier_partition(identifier: &Identifier) -> String {
    format!("IDENTIFIER#{}#{}", identifier.kind().name(), identifier.as_str())
}

pub(super) fn attempts_key(user: UserId) -> Item {
    key(user_partition(user), "ATTEMPTS")
}

pub(super) fn verification_key(user: UserId, kind: IdentifierKind) -> Item {
    key(user_partition(user), verification_sort_key(kind))
}

/// It comes after those of the sessions: whoever lists these reads from the person to the last of them.
fn verification_sort_key(kind: IdentifierKind) -> String {
    format!("VERIFICATION#{}", kind.name())
}

fn session_sort_key(id: SessionId) -> String {
    format!("{SESSION_PREFIX}{id}")
}

/// A primary key.
pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk.into())), ("sk".to_owned(), AttributeValue::S(sk.into()))])
}

pub(super) fn user_key(id: UserId) -> Item {
    key(user_partition(id), PROFILE)
}

pub(super) fn identifier_key(identifier: &Identifier) -> Item {
    key(identifier_partition(identifier), IDENTIFIER)
}

pub(super) fn session_key(user: UserId, session: SessionId) -> Item {
    key(user_partition(user), session_sort_key(session))
}

pub(super) fn write(item: impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(item).map_err(StoreError::internal)
}

pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(StoreError::internal)
}

#[derive(Serialize, Deserialize)]
struct Key {
    pk: String,
    sk: String,
}

/// A person.
#[derive(Serialize, Deserialize)]
pub struct UserRecord {
    #[serde(flatten)]
    key: Key,
    /// The person's id.
    pub id: UserId,
    /// What else there is to know of them.
    #[serde(flatten)]
    pub user: UserAttributes,
}

/// What there is to know of a person beside their id.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAttributes {
    /// In lower case.
    pub email: String,
    /// Whether the person has shown that it reaches them.
    #[serde(default)]
    pub email_verified: bool,
    /// In the form of E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether the person has shown that it reaches them.
    #[serde(default)]
    pub phone_verified: bool,
    /// Whether they may act.
    pub status: UserStatus,
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
pub(super) struct IdentifierRecord {
    #[serde(flatten)]
    key: Key,
    user_id: UserId,
    password_hash: String,
    #[serde(flatten)]
    user: UserAttributes,
}

/// A session. Its version is 1, and 2 once it has ended before its time: only that is published.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    #[serde(flatten)]
    key: Key,
    /// The session's id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// 1, and 2 once it has ended.
    pub version: u64,
    created_at: Timestamp,
    last_used_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    epoch: u64,
    absolute_expires_at: Timestamp,
    /// In seconds since 1970: from then on DynamoDB may delete the item.
    expires_at: i64,
    /// When the last of its access tokens expires.
    pub token_expires_at: Timestamp,
    refresh_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationAttribute>,
    /// When the person ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// The last rotation of a session's refresh token.
#[derive(Serialize, Deserialize)]
struct RotationAttribute {
    spent: String,
    nonce: String,
    at: Timestamp,
}

/// The codes that were sent to a person by e-mail or by SMS, and what is kept of the last one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerificationRecord {
    #[serde(flatten)]
    key: Key,
    version: u64,
    sent_at: Vec<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_hash: Option<String>,
    /// In milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// In seconds since 1970: from then on DynamoDB may delete the item.
    expires_at: i64,
}

/// The public half of a signing key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyRecord {
    #[serde(flatten)]
    key: Key,
    /// The key's id.
    pub kid: KeyId,
    /// The 32 bytes in base64url without padding.
    pub public_key: String,
    /// Whether it verifies.
    pub status: PublicKeyStatus,
    /// Raised by every change.
    pub version: u64,
    created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether a public key verifies. Which of those that do signs, the key ring says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PublicKeyStatus {
    /// It does. Deployments from before keys were rotated say CURRENT.
    #[serde(alias = "CURRENT")]
    Published,
    /// It does not any more.
    Retired,
}

/// The private half of a signing key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PrivateKeyRecord {
    #[serde(flatten)]
    key: Key,
    kid: KeyId,
    /// A PKCS#8 document in base64.
    pub(super) private_key: String,
    status: String,
    created_at: Timestamp,
}

/// Which key is in which state.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeySetRecord {
    #[serde(flatten)]
    key: Key,
    /// The key that signs.
    kid: KeyId,
    /// Not there, like the rest of it, in a deployment from before keys were rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default)]
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<KeySetEntry>,
    #[serde(default)]
    retiring: Vec<KeySetEntry>,
}

impl From<&User> for UserAttributes {
    fn from(user: &User) -> Self {
        Self {
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            phone: user.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            phone_verified: user.phone_verified,
            status: user.status,
            epoch: user.epoch,
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

impl UserAttributes {
    fn into_user(self, id: UserId) -> User {
        User {
            id,
            email: Email::from_stored(self.email),
            email_verified: self.email_verified,
            phone: self.phone.map(Phone::from_stored),
            phone_verified: self.phone_verified,
            status: self.status,
            epoch: self.epoch,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl From<&User> for UserRecord {
    fn from(user: &User) -> Self {
        let key = Key { pk: user_partition(user.id), sk: PROFILE.to_owned() };
        Self { key, id: user.id, user: user.into() }
    }
}

impl From<UserRecord> for User {
    fn from(item: UserRecord) -> Self {
        item.user.into_user(item.id)
    }
}

impl IdentifierRecord {
    pub(super) fn new(identifier: &Identifier, user: &User, hash: &PasswordHash) -> Self {
        Self {
            key: Key { pk: identifier_partition(identifier), sk: IDENTIFIER.to_owned() },
            user_id: user.id,
            password_hash: hash.expose().to_owned(),
            user: user.into(),
        }
    }
}

impl TryFrom<IdentifierRecord> for Credential {
    type Error = StoreError;

    fn try_from(item: IdentifierRecord) -> Result<Self, StoreError> {
        let password_hash = PasswordHash::from_stored(item.password_hash).map_err(StoreError::internal)?;
        Ok(Self { user: item.user.into_user(item.user_id), password_hash })
    }
}

impl SessionRecord {
    pub(super) fn new(user: UserId, session: &Session) -> Self {
        Self {
            key: Key { pk: user_partition(user), sk: session_sort_key(session.id) },
            id: session.id,
            user_id: user,
            version: if session.ended_at.is_none() { 1 } else { ENDED_SESSION_VERSION },
            created_at: session.started_at,
            last_used_at: session.last_used_at,
            user_agent: session.user_agent.clone(),
            epoch: session.epoch,
            absolute_expires_at: session.absolute_expires_at,
            expires_at: session.expires_at.unix_seconds(),
            token_expires_at: session.token_expires_at,
            refresh_hash: session.refresh_hash.0.clone(),
            rotation: session.rotation.as_ref().map(|rotation| RotationAttribute {
                spent: rotation.spent.0.clone(),
                nonce: rotation.nonce.0.clone(),
                at: rotation.at,
            }),
            ended_at: session.ended_at,
        }
    }
}

impl TryFrom<SessionRecord> for Session {
    type Error = StoreError;

    fn try_from(item: SessionRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: item.id,
            started_at: item.created_at,
            last_used_at: item.last_used_at,
            user_agent: item.user_agent,
            epoch: item.epoch,
            absolute_expires_at: item.absolute_expires_at,
            expires_at: Timestamp::from_unix_seconds(item.expires_at).map_err(StoreError::internal)?,
            token_expires_at: item.token_expires_at,
            refresh_hash: RefreshTokenHash(item.refresh_hash),
            rotation: item.rotation.map(|RotationAttribute { spent, nonce, at }| Rotation {
                spent: RefreshTokenHash(spent),
                nonce: RotationNonce(nonce),
                at,
            }),
            ended_at: item.ended_at,
        })
    }
}

impl From<&NewCode<'_>> for VerificationRecord {
    fn from(new: &NewCode<'_>) -> Self {
        // Until a day after the last code: then none of the times counts any more.
        let remembered = new.sent.times.last().copied().unwrap_or(new.expires_at).plus(CODE_PERIOD);
        Self {
            key: Key { pk: user_partition(new.user), sk: verification_sort_key(new.kind) },
            version: new.sent.version,
            sent_at: new.sent.times.clone(),
            code_hash: Some(new.hash.expose().to_owned()),
            code_expires_at: Some(new.expires_at.unix_millis()),
            attempts: Some(0),
            expires_at: remembered.unix_seconds(),
        }
    }
}

impl From<VerificationRecord> for CodeHistory {
    fn from(item: VerificationRecord) -> Self {
        Self { version: item.version, times: item.sent_at }
    }
}

impl PublicKeyRecord {
    /// The item of a key that is published for the first time.
    pub fn new(key: &SigningKey, now: Timestamp) -> Self {
        Self {
            key: keys_of(key.kid()),
            kid: key.kid().clone(),
            public_key: key.public_key().to_owned(),
            status: PublicKeyStatus::Published,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl PrivateKeyRecord {
    pub(super) fn new(key: &SigningKey, signs: bool, now: Timestamp) -> Self {
        Self {
            key: keys_of(key.kid()),
            kid: key.kid().clone(),
            private_key: STANDARD.encode(key.pkcs8().expose()),
            status: if signs { CURRENT } else { NEXT }.to_owned(),
            created_at: now,
        }
    }
}

impl From<&KeySet> for KeySetRecord {
    fn from(ring: &KeySet) -> Self {
        Self {
            key: Key { pk: KEY_RING.to_owned(), sk: KEY_RING.to_owned() },
            kid: ring.current.kid.clone(),
            since: Some(ring.current.since),
            version: ring.version,
            next: ring.next.clone(),
            retiring: ring.retiring.clone(),
        }
    }
}

impl TryFrom<KeySetRecord> for KeySet {
    type Error = StoreError;

    fn try_from(item: KeySetRecord) -> Result<Self, StoreError> {
        let KeySetRecord { kid, since, version, next, retiring, .. } = item;
        // A key of unknown age has signed for long enough.
        let ages_ago = Timestamp::from_unix_seconds(0).map_err(StoreError::internal)?;
        Ok(Self { version, current: KeySetEntry { kid, since: since.unwrap_or(ages_ago) }, next, retiring })
    }
}

pub(super) fn key_set_key() -> Item {
    key(KEY_RING, KEY_RING)
}

/// The key of either half of a signing key, each in its table.
pub(super) fn signing_key_key(kid: &KeyId) -> Item {
    key(table_keys::PARTITION, table_keys::sort_key(kid))
}

fn keys_of(kid: &KeyId) -> Key {
    Key { pk: table_keys::PARTITION.to_owned(), sk: table_keys::sort_key(kid) }
}
