//! The items of the tables and their primary keys.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | user | `USER#<user id>` | `PROFILE` |
//! | identifier | `IDENTIFIER#email#<e-mail>`, `IDENTIFIER#phone#<number>` | `IDENTIFIER` |
//! | session | `USER#<user id>` | `SESSION#<session id>` |
//! | reauthentication attempts of a user | `USER#<user id>` | `ATTEMPTS` |
//! | verification codes sent to a user | `USER#<user id>` | `VERIFICATION#email`, `VERIFICATION#phone` |
//! | sign-ups with a taken identifier | `IDENTIFIER#email#<e-mail>`, `IDENTIFIER#phone#<number>` | `SIGN_UPS` |
//! | verification codes sent to an address | `IDENTIFIER#email#<e-mail>`, `IDENTIFIER#phone#<number>` | `VERIFICATION` |
//! | public key | `SIGNING_KEYS` | `KEY#<kid>` |
//! | private key, in the signing key table | `SIGNING_KEYS` | `KEY#<kid>` |
//! | key set, in the signing key table | `CURRENT_SIGNING_KEY` | `CURRENT_SIGNING_KEY` |
//!
//! The stream publishes users, public keys and ended sessions only. Each event is published from a single item, since
//! the stream records of one transaction may be delivered separately.
//!
//! An identifier holds the password hash and a copy of the user as of the `version` in it, so that a sign-in needs one
//! read. An update of a user, or of the password, changes the copies in the same transaction. A command that relies on a
//! copy checks its version in the transaction that follows.
//!
//! An identifier also counts the attempts to sign in with it, whether or not it belongs to a user. `attempts` is their
//! number since the last success, and the set `inFlight` names those that are not settled. The TTL attribute
//! `expiresAt` is set on the counter of an unknown identifier. On the identifier of a user it is not a number, and
//! DynamoDB ignores a TTL attribute that is not a number
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html>).
//!
//! A verification code is stored as a hash, with its expiry and its number of attempts, until it is used. The times at
//! which codes were sent are stored for a day, once for the user, whatever address they were sent to, and once for the
//! address, whatever user had it.

use auth::table_keys;
use dynamo::Item;
use kernel::{KeyId, SessionId, UserId};
use serde::{Deserialize, Serialize};

use crate::domain::{Identifier, IdentifierKind};

/// The sort key of a user.
pub(crate) const PROFILE: &str = "PROFILE";
/// The prefix of a session's sort key.
pub(crate) const SESSION_PREFIX: &str = "SESSION#";

const IDENTIFIER: &str = "IDENTIFIER";
/// The sort key of the codes that were sent to an address.
pub(super) const VERIFICATION: &str = "VERIFICATION";
const SIGN_UPS: &str = "SIGN_UPS";
const ATTEMPTS: &str = "ATTEMPTS";
/// Both keys of the key set, named after its previous content. It is outside the partition of the keys, which holds
/// nothing else.
const KEY_SET: &str = "CURRENT_SIGNING_KEY";

/// The primary key of an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PrimaryKey {
    pk: String,
    sk: String,
}

impl PrimaryKey {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

impl From<PrimaryKey> for Item {
    fn from(PrimaryKey { pk, sk }: PrimaryKey) -> Self {
        dynamo::key(pk, sk)
    }
}

pub(super) fn user_partition(id: UserId) -> String {
    format!("USER#{id}")
}

pub(super) fn user(id: UserId) -> PrimaryKey {
    PrimaryKey::new(user_partition(id), PROFILE)
}

fn identifier_partition(identifier: &Identifier) -> String {
    format!("IDENTIFIER#{}#{}", identifier.kind(), identifier.as_str())
}

pub(super) fn identifier(identifier: &Identifier) -> PrimaryKey {
    PrimaryKey::new(identifier_partition(identifier), IDENTIFIER)
}

pub(super) fn sign_ups(identifier: &Identifier) -> PrimaryKey {
    PrimaryKey::new(identifier_partition(identifier), SIGN_UPS)
}

pub(super) fn codes_to_address(address: &Identifier) -> PrimaryKey {
    PrimaryKey::new(identifier_partition(address), VERIFICATION)
}

pub(super) fn session(user: UserId, id: SessionId) -> PrimaryKey {
    PrimaryKey::new(user_partition(user), format!("{SESSION_PREFIX}{id}"))
}

pub(super) fn attempts(user: UserId) -> PrimaryKey {
    PrimaryKey::new(user_partition(user), ATTEMPTS)
}

pub(super) fn verification_code(user: UserId, kind: IdentifierKind) -> PrimaryKey {
    PrimaryKey::new(user_partition(user), format!("VERIFICATION#{kind}"))
}

/// The primary key of both the public and the private key, in their respective tables.
pub(super) fn signing_key(kid: &KeyId) -> PrimaryKey {
    PrimaryKey::new(table_keys::PARTITION, table_keys::sort_key(kid))
}

pub(super) fn key_set() -> PrimaryKey {
    PrimaryKey::new(KEY_SET, KEY_SET)
}
