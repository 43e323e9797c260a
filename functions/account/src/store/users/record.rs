//! The stored user.

use contact::{Email, Phone};
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::domain::{User, UserStatus};
use crate::store::keys::{self, PrimaryKey};

/// A user.
#[derive(Serialize, Deserialize)]
pub(crate) struct UserRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    pub(crate) id: UserId,
    #[serde(flatten)]
    pub(crate) user: UserAttributes,
}

/// The attributes of a user that are also copied to the user's identifiers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserAttributes {
    pub(crate) email: String,
    /// The user's own spelling, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email_as_typed: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default)]
    phone_verified: bool,
    pub(crate) status: UserStatus,
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl From<&User> for UserAttributes {
    fn from(user: &User) -> Self {
        Self {
            email: user.email.as_str().to_owned(),
            email_as_typed: user.email.typed().map(str::to_owned),
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
    pub(in crate::store) fn into_user(self, id: UserId) -> User {
        User {
            id,
            email: Email::from_stored(self.email, self.email_as_typed),
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
        Self { key: keys::user(user.id), id: user.id, user: user.into() }
    }
}

impl From<UserRecord> for User {
    fn from(record: UserRecord) -> Self {
        record.user.into_user(record.id)
    }
}
