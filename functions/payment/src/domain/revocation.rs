//! Token revocation: tokens of ended sessions, and tokens with an old epoch, can't move money.

use std::collections::BTreeMap;
use std::time::Duration;

use auth::Principal;
use kernel::{SessionId, Timestamp};

/// The maximum number of ended sessions of a user that are stored one by one: with them, an account's item stays within a
/// kilobyte, even with the longest id and the most write shards, so its transfers cost what others do.
pub const MAX_ENDED_SESSIONS: usize = 10;

/// How far the clocks of the function that issued a token and of the one that revokes it may differ. A client whose token is
/// revoked along with those of the user's other sessions gets no accepted token for as long, and for the rest of the second.
const ISSUE_TIME_TOLERANCE: Duration = Duration::from_secs(1);

/// The claims of an access token that are checked for revocation where it moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenClaims {
    /// The user's epoch at the time the token was issued.
    pub epoch: u64,
    pub session: SessionId,
    /// In Unix seconds, rounded down.
    pub issued_at: i64,
}

impl From<&Principal> for TokenClaims {
    fn from(principal: &Principal) -> Self {
        Self { epoch: principal.epoch, session: principal.session_id, issued_at: principal.issued_at.unix_seconds() }
    }
}

/// The revocation state of the owner's tokens, as an account stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRevocation {
    pub owner_epoch: u64,
    pub revoked_sessions: Vec<String>,
    /// In Unix seconds. Tokens that were issued earlier are revoked.
    pub tokens_not_before: i64,
}

impl AccountRevocation {
    pub fn is_revoked(&self, claims: &TokenClaims) -> bool {
        claims.epoch < self.owner_epoch
            || claims.issued_at < self.tokens_not_before
            || self.revoked_sessions.contains(&claims.session.to_string())
    }
}

/// The ended sessions of a user, some of whose tokens may not have expired. Versioned: a newer version replaces an older
/// one on each of the user's accounts.
///
/// At most [`MAX_ENDED_SESSIONS`] are kept one by one. One more replaces them by a time before which no token of the user is
/// valid. The sessions that have not ended lose their current access token too, and get another one by a refresh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedSessions {
    /// 0 if no session has ended yet.
    pub version: u64,
    /// The expiry of each session's last token, in Unix seconds.
    pub expiries: BTreeMap<String, i64>,
    /// In Unix seconds. Tokens that were issued earlier are revoked; 0 if there is no such time.
    pub tokens_not_before: i64,
    /// The latest expiry of a revoked token, in Unix seconds.
    pub revoked_until: i64,
}

impl EndedSessions {
    pub fn contains(&self, session: SessionId) -> bool {
        self.expiries.contains_key(&session.to_string())
    }

    /// Whether the tokens of a session that ended at this time were issued too early to be accepted, until their expiry.
    pub fn exclude_tokens_until(&self, ended_at: Timestamp, expiry: i64) -> bool {
        first_second_after(ended_at) <= self.tokens_not_before && expiry <= self.revoked_until
    }

    pub fn revoke(&self, claims: &TokenClaims) -> bool {
        claims.issued_at < self.tokens_not_before || self.contains(claims.session)
    }

    /// The sessions that may have unexpired tokens at this time, in Unix seconds.
    pub fn unexpired(&self, now: i64) -> Vec<String> {
        self.expiries.iter().filter(|(_, expiry)| **expiry > now).map(|(session, _)| session.clone()).collect()
    }

    /// The next version at this time, with one more session and without those whose tokens have all expired.
    #[must_use]
    pub fn with(&self, session: SessionId, expiry: i64, now: Timestamp) -> Self {
        let mut next = if self.revoked_until > now.unix_seconds() { self.clone() } else { Self::default() };
        next.expiries.retain(|_, expiry| *expiry > now.unix_seconds());
        if next.expiries.len() >= MAX_ENDED_SESSIONS {
            // All their tokens were issued before they ended.
            next.expiries.clear();
            next.tokens_not_before = next.tokens_not_before.max(first_second_after(now));
        }
        next.expiries.insert(session.to_string(), expiry);
        next.revoked_until = next.revoked_until.max(expiry);
        next.version = self.version.saturating_add(1);
        next
    }
}

/// The first second, since 1970, in which no token is issued that was issued by this time.
fn first_second_after(time: Timestamp) -> i64 {
    time.plus(ISSUE_TIME_TOLERANCE).unix_seconds() + 1
}
