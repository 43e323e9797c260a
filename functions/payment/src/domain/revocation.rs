//! Token revocation: tokens of ended sessions, and tokens with an old epoch, can't move money.

use std::collections::BTreeMap;
use std::time::Duration;

use auth::Principal;
use kernel::{SessionId, Timestamp};

/// The maximum number of ended sessions of a user that are stored one by one: with them, an account's item stays within a
/// kilobyte, even with the longest id and the most write shards, so its transfers cost what others do.
pub const MAX_ENDED_SESSIONS: usize = 10;

/// The time that an ended session is kept beyond the expiry of its tokens, because clocks differ.
const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// How far the clock of the function that issued a token and that of another function may differ.
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

/// A session that has ended, some of whose tokens may not have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSession {
    /// When its last token has expired by all clocks, in Unix seconds.
    pub expiry: i64,
    /// All its tokens were issued before this second. `None` if that is not known.
    pub issued_before: Option<i64>,
}

impl EndedSession {
    /// A session that ended at this time. The issue time of its last token is at most that.
    pub fn new(tokens_expire_at: Timestamp, ended_at: Timestamp, last_token_issued_at: Option<Timestamp>) -> Self {
        let issued_before = match last_token_issued_at {
            // By the clock that `iat` is of.
            Some(issued_at) => issued_at.unix_seconds() + 1,
            None => first_second_after(ended_at),
        };
        let expiry = tokens_expire_at.plus(CLOCK_SKEW).unix_seconds();
        Self { expiry, issued_before: Some(issued_before) }
    }
}

/// The ended sessions of a user, some of whose tokens may not have expired. Versioned: a newer version replaces an older
/// one on each of the user's accounts.
///
/// At most [`MAX_ENDED_SESSIONS`] are kept one by one. One more replaces them by a time before which no token of the user is
/// valid: that of their last tokens. A session that has not ended, and has not been refreshed since, loses its current
/// access token too, and gets another one by a refresh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedSessions {
    /// 0 if no session has ended yet.
    pub version: u64,
    /// By the id of the session.
    pub sessions: BTreeMap<String, EndedSession>,
    /// In Unix seconds. Tokens that were issued earlier are revoked; 0 if there is no such time.
    pub tokens_not_before: i64,
    /// The latest expiry of a revoked token, in Unix seconds.
    pub revoked_until: i64,
}

impl EndedSessions {
    pub fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session.to_string())
    }

    /// Whether the tokens of this session were issued too early to be accepted, until they expire.
    pub fn exclude_tokens_of(&self, session: EndedSession) -> bool {
        session.issued_before.is_some_and(|time| time <= self.tokens_not_before) && session.expiry <= self.revoked_until
    }

    pub fn revoke(&self, claims: &TokenClaims) -> bool {
        claims.issued_at < self.tokens_not_before || self.contains(claims.session)
    }

    /// The sessions that may have unexpired tokens at this time, in Unix seconds.
    pub fn unexpired(&self, now: i64) -> Vec<String> {
        self.sessions.iter().filter(|(_, session)| session.expiry > now).map(|(id, _)| id.clone()).collect()
    }

    /// The next version at this time, with one more session and without those whose tokens have all expired.
    #[must_use]
    pub fn with(&self, id: SessionId, session: EndedSession, now: Timestamp) -> Self {
        let mut next = if self.revoked_until > now.unix_seconds() { self.clone() } else { Self::default() };
        next.sessions.retain(|_, session| session.expiry > now.unix_seconds());
        if next.sessions.len() >= MAX_ENDED_SESSIONS {
            // All their tokens were issued before they ended, and so by now.
            let unknown = first_second_after(now);
            let times = next.sessions.values().map(|session| session.issued_before.unwrap_or(unknown));
            next.tokens_not_before = times.fold(next.tokens_not_before, i64::max);
            next.sessions.clear();
        }
        next.sessions.insert(id.to_string(), session);
        next.revoked_until = next.revoked_until.max(session.expiry);
        next.version = self.version.saturating_add(1);
        next
    }
}

/// The first second, since 1970, in which no token is issued that was issued by this time.
fn first_second_after(time: Timestamp) -> i64 {
    time.plus(ISSUE_TIME_TOLERANCE).unix_seconds() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_an_ended_session_were_issued_before_the_next_second() {
        let at = |text| Timestamp::parse(text).unwrap();
        let (ended_at, expires_at) = (at("2026-01-31T12:10:00.500Z"), at("2026-01-31T12:15:00Z"));
        let issued_before = |issued_at| EndedSession::new(expires_at, ended_at, issued_at).issued_before;
        assert_eq!(
            issued_before(Some(at("2026-01-31T12:00:00.999Z"))),
            Some(at("2026-01-31T12:00:01Z").unix_seconds())
        );
        // Events of earlier versions do not state it; the clocks of two functions are compared.
        assert_eq!(issued_before(None), Some(at("2026-01-31T12:10:02Z").unix_seconds()));
    }
}
