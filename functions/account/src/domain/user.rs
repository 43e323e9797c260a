//! People.

use contact::{Email, Phone};
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::Identifier;

/// A person who signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their e-mail address.
    pub email: Email,
    /// Whether they have shown that it reaches them.
    pub email_verified: bool,
    /// Their phone number, if they gave one.
    pub phone: Option<Phone>,
    /// Whether they have shown that it reaches them.
    pub phone_verified: bool,
    /// Whether they may act.
    pub status: UserStatus,
    /// Raised when all of their tokens so far are revoked.
    pub epoch: u64,
    /// Raised by every change of any of this: 1 at sign-up.
    pub version: u64,
    /// When they signed up.
    pub created_at: Timestamp,
    /// When any of this last changed.
    pub updated_at: Timestamp,
}

/// Whether a person may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    /// They may.
    Active,
    /// They may not, until an operator says otherwise.
    Suspended,
}

impl User {
    /// Somebody new.
    pub const fn new(id: UserId, email: Email, phone: Option<Phone>, now: Timestamp) -> Self {
        Self {
            id,
            email,
            email_verified: false,
            phone,
            phone_verified: false,
            status: UserStatus::Active,
            epoch: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same person in the next version, to be changed.
    #[must_use]
    pub fn next_version(&self, now: Timestamp) -> Self {
        Self { version: self.version.saturating_add(1), updated_at: now, ..self.clone() }
    }

    /// The same person with all of their tokens and sessions so far revoked.
    #[must_use]
    pub const fn revoked(mut self) -> Self {
        self.epoch = self.epoch.saturating_add(1);
        self
    }

    /// All that they sign in by.
    pub fn identifiers(&self) -> Vec<Identifier> {
        let phone = self.phone.clone().map(Identifier::Phone);
        std::iter::once(Identifier::Email(self.email.clone())).chain(phone).collect()
    }
}
