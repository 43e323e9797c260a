//! Token revocation: tokens of ended sessions, and tokens with an old epoch, can't move money.

use std::collections::BTreeMap;

use auth::Principal;
use kernel::SessionId;

/// The claims of an access token that are checked for revocation where it moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenClaims {
    /// The user's epoch at the time the token was issued.
    pub epoch: u64,
    pub session: SessionId,
}

impl From<&Principal> for TokenClaims {
    fn from(principal: &Principal) -> Self {
        Self { epoch: principal.epoch, session: principal.session_id }
    }
}

/// The revocation state of the owner's tokens, as an account stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRevocation {
    pub owner_epoch: u64,
    pub revoked_sessions: Vec<String>,
}

impl AccountRevocation {
    pub fn is_revoked(&self, claims: &TokenClaims) -> bool {
        claims.epoch < self.owner_epoch || self.revoked_sessions.contains(&claims.session.to_string())
    }
}

/// The ended sessions of a user, some of whose tokens may not have expired. Versioned: a newer version replaces an older
/// one on each of the user's accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedSessions {
    /// 0 if no session has ended yet.
    pub version: u64,
    /// The expiry of each session's last token, in Unix seconds.
    pub expiries: BTreeMap<String, i64>,
}

impl EndedSessions {
    pub fn contains(&self, session: SessionId) -> bool {
        self.expiries.contains_key(&session.to_string())
    }

    /// The sessions that may have unexpired tokens at this time, in Unix seconds.
    pub fn unexpired(&self, now: i64) -> Vec<String> {
        self.expiries.iter().filter(|(_, expiry)| **expiry > now).map(|(session, _)| session.clone()).collect()
    }

    /// The latest expiry, if a session has ended.
    pub fn last_expiry(&self) -> Option<i64> {
        self.expiries.values().max().copied()
    }

    /// The next version, with one more session and without those whose tokens have all expired.
    #[must_use]
    pub fn with(&self, session: SessionId, expiry: i64, now: i64) -> Self {
        let mut next = Self { version: self.version.saturating_add(1), expiries: self.expiries.clone() };
        next.expiries.retain(|_, expiry| *expiry > now);
        next.expiries.insert(session.to_string(), expiry);
        next
    }
}
