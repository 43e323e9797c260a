//! Users.

use contact::{Email, Phone};
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{Identifier, IdentifierKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub email_verified: bool,
    pub phone: Option<Phone>,
    pub phone_verified: bool,
    pub status: UserStatus,
    /// Increased to revoke all tokens and sessions of the user.
    pub epoch: u64,
    /// Increased by every update. 1 at sign-up.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whether a user can sign in and use their sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    Active,
    /// Blocked until an operator reactivates the user.
    Suspended,
}

impl User {
    /// Creates a user, with unverified identifiers.
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

    /// Returns the user with the next version, as the basis of an update.
    #[must_use]
    pub fn next_version(&self, now: Timestamp) -> Self {
        Self { version: self.version.saturating_add(1), updated_at: now, ..self.clone() }
    }

    /// Returns the user with the next epoch, which revokes all tokens and sessions so far.
    #[must_use]
    pub const fn revoked(mut self) -> Self {
        self.epoch = self.epoch.saturating_add(1);
        self
    }

    /// Returns the identifiers that the user can sign in with.
    pub fn identifiers(&self) -> Vec<Identifier> {
        let phone = self.phone.clone().map(Identifier::Phone);
        std::iter::once(Identifier::Email(self.email.clone())).chain(phone).collect()
    }

    pub fn identifier(&self, kind: IdentifierKind) -> Option<Identifier> {
        self.identifiers().into_iter().find(|identifier| identifier.kind() == kind)
    }

    pub const fn has_verified(&self, kind: IdentifierKind) -> bool {
        match kind {
            IdentifierKind::Email => self.email_verified,
            IdentifierKind::Phone => self.phone_verified,
        }
    }

    /// Returns the user with the identifier of this kind verified.
    #[must_use]
    pub const fn with_verified(mut self, kind: IdentifierKind) -> Self {
        match kind {
            IdentifierKind::Email => self.email_verified = true,
            IdentifierKind::Phone => self.phone_verified = true,
        }
        self
    }
}

impl AsRef<Self> for User {
    fn as_ref(&self) -> &Self {
        self
    }
}
