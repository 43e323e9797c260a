//! Sessions, from sign-in to their end.

use std::time::Duration;

use kernel::{Random, SessionId, Timestamp};

use super::{RefreshToken, RefreshTokenHash, RotationNonce, TokenFamily, User, UserStatus};

/// How long after a rotation the used refresh token is answered with the same successor again, in case the response was
/// lost.
pub const REUSE_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// A session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub started_at: Timestamp,
    /// The time of the sign-in, of the last refresh, or of the last change after which the session got new tokens: that at
    /// which its last access token was issued.
    pub last_used_at: Timestamp,
    /// The client's `User-Agent` at sign-in.
    pub user_agent: Option<String>,
    /// The epoch of the user that the session is bound to. It is revoked if the user's epoch is higher.
    pub epoch: u64,
    /// When the session ends, even if it is in use.
    pub absolute_expires_at: Timestamp,
    /// When the session ends unless it is refreshed. At most the absolute expiry.
    pub expires_at: Timestamp,
    /// When the last access token issued for the session expires.
    pub token_expires_at: Timestamp,
    /// The hash of the current refresh token.
    pub refresh_hash: RefreshTokenHash,
    /// The family of the current refresh token. `None` until the first rotation of a token without one.
    pub family: Option<TokenFamily>,
    /// The family that was replaced when the session was bound to its epoch.
    pub former_family: Option<TokenFamily>,
    /// The last rotation of the refresh token.
    pub rotation: Option<Rotation>,
    /// When the session was ended before its expiry.
    pub ended_at: Option<Timestamp>,
}

/// The rotation by which the current refresh token replaced the previous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The hash of the previous token.
    pub used: RefreshTokenHash,
    pub nonce: RotationNonce,
    pub at: Timestamp,
}

/// The lifetimes of sessions and their access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The lifetime of an access token, unless its session ends earlier.
    pub access_token: Duration,
    /// The lifetime of a session that is not refreshed.
    pub idle: Duration,
    /// The maximum lifetime of a session.
    pub absolute: Duration,
}

/// The result of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// The session after the rotation, and its new refresh token.
    Rotated(Box<Session>, RefreshToken),
    /// The token was used within the grace period. Contains its successor, which is the current token, and the time of
    /// the rotation.
    Replayed(RefreshToken, Timestamp),
    /// The token was used before the grace period: it has been copied.
    Reused,
    /// The token was replaced when the session was bound to a new epoch.
    Superseded,
    /// The token is not known to have been issued for the session.
    NotRecognized,
}

/// What a session knows about a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// The current token.
    Current,
    /// The token that the last rotation replaced.
    Previous,
    /// A token that was issued and used earlier.
    Used,
    /// A token that was issued before the session was bound to its epoch.
    Superseded,
    Unknown,
}

impl Session {
    /// Starts a session. Returns it with its first refresh token.
    pub fn start(
        user: &User,
        user_agent: Option<String>,
        lifetimes: Lifetimes,
        now: Timestamp,
        random: &(impl Random + ?Sized),
    ) -> (Self, RefreshToken) {
        let id = SessionId::starting_at(now, random);
        let token = RefreshToken::new(user.id, id, random);
        let absolute_expires_at = now.plus(lifetimes.absolute);
        let session = Self {
            id,
            started_at: now,
            last_used_at: now,
            user_agent,
            epoch: user.epoch,
            absolute_expires_at,
            expires_at: now.plus(lifetimes.idle).min(absolute_expires_at),
            token_expires_at: now.plus(lifetimes.access_token).min(absolute_expires_at),
            refresh_hash: token.hash(),
            family: token.family(),
            former_family: None,
            rotation: None,
            ended_at: None,
        };
        (session, token)
    }

    /// Checks that the session is active and that `user`, its owner, is not suspended.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it is not.
    pub fn ensure_active(&self, user: &User, now: Timestamp) -> Result<(), Revoked> {
        if self.ended_at.is_some() || now >= self.expires_at {
            return Err(Revoked::SessionEnded);
        }
        if self.epoch < user.epoch {
            return Err(Revoked::StaleEpoch);
        }
        match user.status {
            UserStatus::Active => Ok(()),
            UserStatus::Suspended => Err(Revoked::UserSuspended),
        }
    }

    /// Binds the session to a new epoch of its user, with tokens issued now, so that it stays active when all other
    /// sessions are revoked. Access tokens of the previous epoch and the previous refresh tokens, which may have been
    /// copied, are no longer valid: `token` begins a new family.
    #[must_use]
    pub fn rebind_to_epoch(&self, epoch: u64, token: &RefreshToken, lifetimes: Lifetimes, now: Timestamp) -> Self {
        Self {
            epoch,
            last_used_at: now,
            token_expires_at: self.next_token_expires_at(self.expires_at, lifetimes, now),
            refresh_hash: token.hash(),
            family: token.family(),
            former_family: self.family.clone(),
            rotation: None,
            ..self.clone()
        }
    }

    /// Determines what is known about a refresh token. Tokens are recognized as issued by their family, which only they
    /// prove. Without a family, the current and the previous token are.
    pub fn recognize(&self, token: &RefreshToken) -> Recognition {
        let (hash, family) = (token.hash(), token.family());
        if hash == self.refresh_hash {
            Recognition::Current
        } else if self.rotation.as_ref().is_some_and(|rotation| rotation.used == hash) {
            Recognition::Previous
        } else if family.is_some() && family == self.family {
            Recognition::Used
        } else if family.is_some() && family == self.former_family {
            Recognition::Superseded
        } else {
            Recognition::Unknown
        }
    }

    /// The expiry of a token that is issued now, in a session that ends at `session_ends`. It is not before that of a
    /// token issued earlier: even if the configured lifetime was reduced, verifiers must observe the end of the session
    /// until the last of its tokens has expired.
    fn next_token_expires_at(&self, session_ends: Timestamp, lifetimes: Lifetimes, now: Timestamp) -> Timestamp {
        now.plus(lifetimes.access_token).max(self.token_expires_at).min(session_ends)
    }

    /// Determines the result of presenting a refresh token to the session, which must be active.
    pub fn refresh(
        &self,
        token: &RefreshToken,
        lifetimes: Lifetimes,
        now: Timestamp,
        random: &(impl Random + ?Sized),
    ) -> Refresh {
        match (self.recognize(token), &self.rotation) {
            (Recognition::Current, _) => {
                let nonce = RotationNonce::random(random);
                let successor = token.successor(&nonce);
                let after = Self {
                    last_used_at: now,
                    expires_at: now.plus(lifetimes.idle).min(self.absolute_expires_at),
                    token_expires_at: self.next_token_expires_at(self.absolute_expires_at, lifetimes, now),
                    refresh_hash: successor.hash(),
                    family: successor.family(),
                    rotation: Some(Rotation { used: token.hash(), nonce, at: now }),
                    ..self.clone()
                };
                Refresh::Rotated(Box::new(after), successor)
            }
            (Recognition::Previous, Some(rotation)) if now < rotation.at.plus(REUSE_GRACE_PERIOD) => {
                Refresh::Replayed(token.successor(&rotation.nonce), rotation.at)
            }
            (Recognition::Previous | Recognition::Used, _) => Refresh::Reused,
            (Recognition::Superseded, _) => Refresh::Superseded,
            (Recognition::Unknown, _) => Refresh::NotRecognized,
        }
    }
}

/// Selects the sessions to end so that a user has at most `max` active ones: those that are idle for longest, but neither
/// the one that was `started` nor one that started later, so that concurrent sign-ins do not end each other.
pub fn excess_sessions<'a>(
    sessions: &'a [Session],
    user: &User,
    started: &Session,
    max: usize,
    now: Timestamp,
) -> Vec<&'a Session> {
    let is_active = |session: &&Session| session.id != started.id && session.ensure_active(user, now).is_ok();
    let others: Vec<_> = sessions.iter().filter(is_active).collect();
    let excess = (others.len() + 1).saturating_sub(max);
    let start = |session: &Session| (session.started_at, session.id);
    let mut older: Vec<_> = others.into_iter().filter(|session| start(session) < start(started)).collect();
    older.sort_by_key(|session| session.last_used_at);
    older.truncate(excess);
    older
}

/// A session and its user, in any state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    pub user: User,
    pub session: Session,
}

impl AsRef<User> for UserSession {
    fn as_ref(&self) -> &User {
        &self.user
    }
}

/// The reason why an unexpired token is not valid. It is logged, but not returned to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    #[error("session not found")]
    SessionNotFound,
    #[error("session has ended")]
    SessionEnded,
    /// The user revoked all tokens or sessions of that epoch.
    #[error("epoch is revoked")]
    StaleEpoch,
    #[error("user is suspended")]
    UserSuspended,
}

impl UserSession {
    /// Checks that the session is active.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it is not.
    pub fn ensure_active(&self, now: Timestamp) -> Result<(), Revoked> {
        self.session.ensure_active(&self.user, now)
    }

    /// Checks that an access token of this session, issued in this epoch of the user, is still valid.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it is not.
    pub fn authorize(&self, token_epoch: u64, now: Timestamp) -> Result<(), Revoked> {
        self.ensure_active(now)?;
        if token_epoch < self.user.epoch { Err(Revoked::StaleEpoch) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use contact::Email;
    use kernel::UserId;
    use kernel::testing::SeededRandom;

    use super::*;
    use crate::domain::without_family;

    const LIFETIMES: Lifetimes = Lifetimes {
        access_token: Duration::from_mins(15),
        idle: Duration::from_hours(1),
        absolute: Duration::from_mins(150),
    };

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
    }

    fn after(minutes: u64) -> Timestamp {
        now().plus(Duration::from_mins(minutes))
    }

    fn started() -> (UserSession, RefreshToken) {
        let email = Email::parse("ada@example.com").unwrap();
        let user = User { epoch: 3, ..User::new(UserId::random(&SeededRandom::new(1)), email, None, now()) };
        let (session, token) = Session::start(&user, None, LIFETIMES, now(), &SeededRandom::new(2));
        (UserSession { user, session }, token)
    }

    fn refresh(session: &Session, token: &RefreshToken, at: Timestamp) -> Refresh {
        session.refresh(token, LIFETIMES, at, &SeededRandom::new(3))
    }

    fn rotated(session: &Session, token: &RefreshToken, at: Timestamp) -> (Session, RefreshToken) {
        let Refresh::Rotated(after, next) = refresh(session, token, at) else { panic!("not rotated") };
        (*after, next)
    }

    #[test]
    fn unused_session_ends_after_idle_timeout() {
        let (user_session, _) = started();
        assert_eq!(user_session.authorize(3, after(59)), Ok(()));
        assert_eq!(user_session.authorize(3, after(60)), Err(Revoked::SessionEnded));
        assert_eq!(user_session.session.token_expires_at, after(15));
    }

    #[test]
    fn refreshed_session_and_tokens_end_at_absolute_timeout() {
        let (mut user_session, mut token) = started();
        for minutes in [50, 100, 149] {
            (user_session.session, token) = rotated(&user_session.session, &token, after(minutes));
            assert_eq!(user_session.session.last_used_at, after(minutes));
        }
        assert_eq!((user_session.session.expires_at, user_session.session.token_expires_at), (after(150), after(150)));
        assert_eq!(user_session.ensure_active(after(149)), Ok(()));
        assert_eq!(user_session.ensure_active(after(150)), Err(Revoked::SessionEnded));
    }

    #[test]
    fn ended_stale_or_suspended_session_is_rejected() {
        let (user_session, _) = started();
        let mut ended = user_session.clone();
        ended.session.ended_at = Some(now());
        assert_eq!(ended.authorize(3, now()), Err(Revoked::SessionEnded));
        assert_eq!(user_session.authorize(2, now()), Err(Revoked::StaleEpoch));
        let mut stale = user_session.clone();
        stale.user.epoch = 4;
        assert_eq!(stale.ensure_active(now()), Err(Revoked::StaleEpoch));
        let mut suspended = user_session;
        suspended.user.status = UserStatus::Suspended;
        assert_eq!(suspended.authorize(3, now()), Err(Revoked::UserSuspended));
    }

    #[test]
    fn used_token_is_replayed_for_ten_seconds_then_reused() {
        let (user_session, first) = started();
        let (session, second) = rotated(&user_session.session, &first, after(10));
        let moment = |seconds| after(10).plus(Duration::from_secs(seconds));
        assert_eq!(refresh(&session, &first, moment(9)), Refresh::Replayed(second.clone(), after(10)));
        assert_eq!(refresh(&session, &first, moment(10)), Refresh::Reused);
        assert_eq!(session.refresh_hash, second.hash());
    }

    #[test]
    fn used_token_has_no_grace_once_its_successor_is_used() {
        let (user_session, first) = started();
        let (session, second) = rotated(&user_session.session, &first, after(10));
        let (session, third) = rotated(&session, &second, after(10));
        assert_eq!(refresh(&session, &first, after(10)), Refresh::Reused);
        assert_eq!(refresh(&session, &second, after(10)), Refresh::Replayed(third, after(10)));
    }

    #[test]
    fn session_rebound_to_new_epoch_stays_active() {
        let (user_session, token) = started();
        let next = RefreshToken::new(token.user, token.session, &SeededRandom::new(9));
        let session = user_session.session.rebind_to_epoch(4, &next, LIFETIMES, after(30));
        let revoked = User { epoch: 4, ..user_session.user };
        let retained_session = UserSession { user: revoked, session };
        assert_eq!(
            (retained_session.authorize(4, after(30)), retained_session.authorize(3, after(30))),
            (Ok(()), Err(Revoked::StaleEpoch))
        );
        assert_eq!(retained_session.session.token_expires_at, after(45));
        assert!(matches!(refresh(&retained_session.session, &next, after(30)), Refresh::Rotated(..)));
        assert_eq!(refresh(&retained_session.session, &token, after(30)), Refresh::Superseded);
        assert_eq!(
            retained_session.session.rebind_to_epoch(5, &next, LIFETIMES, after(59)).token_expires_at,
            after(60)
        );
    }

    #[test]
    fn token_expiry_never_moves_back_when_lifetime_shrinks() {
        let (user_session, token) = started();
        let shorter = Lifetimes { access_token: Duration::from_mins(1), ..LIFETIMES };
        let Refresh::Rotated(session, _) =
            user_session.session.refresh(&token, shorter, after(1), &SeededRandom::new(3))
        else {
            panic!()
        };
        assert_eq!(session.token_expires_at, after(15));
        assert_eq!(user_session.session.rebind_to_epoch(4, &token, shorter, after(1)).token_expires_at, after(15));
        assert_eq!(session.rebind_to_epoch(4, &token, shorter, after(20)).token_expires_at, after(21));
    }

    #[test]
    fn session_recognizes_every_token_issued_for_it() {
        let (user_session, first) = started();
        let (once, second) = rotated(&user_session.session, &first, after(10));
        let (twice, third) = rotated(&once, &second, after(20));
        let (thrice, fourth) = rotated(&twice, &third, after(30));
        let recognized = [&first, &second, &third, &fourth].map(|token| thrice.recognize(token));
        assert_eq!(recognized, [Recognition::Used, Recognition::Used, Recognition::Previous, Recognition::Current]);
        assert_eq!(refresh(&thrice, &first, after(30)), Refresh::Reused);

        let next = RefreshToken::new(first.user, first.session, &SeededRandom::new(9));
        let rebound = thrice.rebind_to_epoch(4, &next, LIFETIMES, after(31));
        for token in [&first, &second, &third, &fourth] {
            assert_eq!(rebound.recognize(token), Recognition::Superseded);
        }
        let (rebound, _) = rotated(&rebound, &next, after(32));
        assert_eq!(refresh(&rebound, &fourth, after(32)), Refresh::Superseded);
        assert_eq!(refresh(&rebound, &next, after(59)), Refresh::Reused);
    }

    #[test]
    fn forged_refresh_token_is_not_recognized() {
        let (user_session, token) = started();
        let (rotated, _) = rotated(&user_session.session, &token, after(10));
        let forged = RefreshToken::new(token.user, token.session, &SeededRandom::new(99));
        for session in [&user_session.session, &rotated] {
            for forged in [&forged, &without_family(forged.clone())] {
                assert_eq!(refresh(session, forged, after(11)), Refresh::NotRecognized);
            }
        }
    }

    #[test]
    fn legacy_session_gains_a_family_on_refresh() {
        let (UserSession { session, .. }, token) = started();
        let token = without_family(token);
        let session = Session { refresh_hash: token.hash(), family: None, ..session };
        let (once, second) = rotated(&session, &token, after(10));
        assert_eq!(refresh(&once, &token, after(10)), Refresh::Replayed(second.clone(), after(10)));
        assert_eq!(refresh(&once, &token, after(11)), Refresh::Reused);
        let (twice, _) = rotated(&once, &second, after(12));
        assert_eq!(refresh(&twice, &token, after(13)), Refresh::NotRecognized, "which cannot be proven any more");
        assert_eq!(refresh(&twice, &second, after(13)), Refresh::Reused);
        let forged = without_family(RefreshToken::new(token.user, token.session, &SeededRandom::new(99)));
        assert_eq!(refresh(&session, &forged, after(10)), Refresh::NotRecognized);
    }
}
