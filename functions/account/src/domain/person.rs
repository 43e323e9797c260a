//! People.

use contact::{Email, Phone};
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::Identifier;

/// A person who signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// Their e-mail address.
    pub email: Email,
    /// Their phone number, if they gave one.
    pub phone: Option<Phone>,
    /// Whether they may act.
    pub status: PersonStatus,
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
pub enum PersonStatus {
    /// They may.
    Active,
    /// They may not, until an operator says otherwise.
    Suspended,
}

impl Person {
    /// Somebody new.
    pub const fn new(id: UserId, email: Email, phone: Option<Phone>, now: Timestamp) -> Self {
        Self { id, email, phone, status: PersonStatus::Active, epoch: 0, version: 1, created_at: now, updated_at: now }
    }

    /// All that they sign in by.
    pub fn identifiers(&self) -> Vec<Identifier> {
        let phone = self.phone.clone().map(Identifier::Phone);
        std::iter::once(Identifier::Email(self.email.clone())).chain(phone).collect()
    }
}
