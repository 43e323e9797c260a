//! Users, as replicated from the account context.

use kernel::UserId;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::{EndedSessions, TokenClaims};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum UserStatus {
    Active,
    /// The user can't open accounts.
    Suspended,
}

/// A user, as an event of the account context describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub status: UserStatus,
    /// Tokens with a lower epoch are revoked.
    pub epoch: u64,
}

/// The replica of a user, with what this context adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub status: UserStatus,
    pub epoch: u64,
    pub ended_sessions: EndedSessions,
    /// The number of the user's payment accounts.
    pub accounts: usize,
}

impl Replica {
    /// Whether a token with these claims can't open accounts: it is revoked, or the user is suspended.
    pub fn is_barred(&self, claims: &TokenClaims) -> bool {
        claims.epoch < self.epoch || self.ended_sessions.contains(claims.session) || self.status != UserStatus::Active
    }
}
