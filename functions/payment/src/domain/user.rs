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
    /// None of the user's tokens is accepted.
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
    /// The ids of the user's payment accounts.
    pub account_ids: Vec<String>,
}

/// The token is revoked, or the user is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token revoked or user suspended")]
pub struct TokenRevoked;

impl Replica {
    /// Checks that a token with these claims is not revoked, and that the user is not suspended.
    ///
    /// # Errors
    ///
    /// [`TokenRevoked`] otherwise.
    pub fn admit(&self, claims: &TokenClaims) -> Result<(), TokenRevoked> {
        let is_revoked = claims.epoch < self.epoch || self.ended_sessions.revoke(claims);
        if is_revoked || self.status != UserStatus::Active { Err(TokenRevoked) } else { Ok(()) }
    }
}
