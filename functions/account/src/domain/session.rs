//! Sessions: from a sign-in to its end.

use std::time::Duration;

use kernel::{Random, SessionId, Timestamp};

use super::{RefreshToken, RefreshTokenHash, RotationNonce, User, UserStatus};

/// How long after a rotation the spent token still gets the answer that may have been lost.
pub const REUSE_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// One sign-in of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When the person signed in.
    pub started_at: Timestamp,
    /// When they signed in or refreshed last.
    pub last_used_at: Timestamp,
    /// What the client called itself as the session began.
    pub user_agent: Option<String>,
    /// The person's epoch that it has been carried to: below the person's own, it is over.
    pub epoch: u64,
    /// When it ends, however much it is used.
    pub absolute_expires_at: Timestamp,
    /// When it ends if it is not used: never after the absolute end.
    pub expires_at: Timestamp,
    /// When the last access token that was issued for it expires.
    pub token_expires_at: Timestamp,
    /// The refresh token that is good.
    pub refresh_hash: RefreshTokenHash,
    /// The last rotation, if there was one.
    pub rotation: Option<Rotation>,
    /// When the person ended it, if they did.
    pub ended_at: Option<Timestamp>,
}

/// How the refresh token that is good came from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The token that was spent.
    pub spent: RefreshTokenHash,
    /// What was added to it.
    pub nonce: RotationNonce,
    /// When.
    pub at: Timestamp,
}

/// How long sessions and their access tokens last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token, unless its session ends before.
    pub access_token: Duration,
    /// A session that is not used.
    pub idle: Duration,
    /// Any session.
    pub absolute: Duration,
}

/// What becomes of a session whose refresh token is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// The token is spent now, and the session stands like this with its successor, this one.
    Rotated(Box<Session>, RefreshToken),
    /// The token was spent a moment ago: its successor is the one that is good, as of this time.
    Replayed(RefreshToken, Timestamp),
    /// The token is not the one that is good: it was spent before, or made up. Somebody holds what they should not.
    Reused,
}

impl Session {
    /// A session of this person that starts now, and its refresh token.
    pub fn start(
        user: &User,
        user_agent: Option<String>,
        lifetimes: Lifetimes,
        now: Timestamp,
        random: &impl Random,
    ) -> (Self, RefreshToken) {
        let id = SessionId::random(random);
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
            rotation: None,
            ended_at: None,
        };
        (session, token)
    }

    /// Whether it goes on, as this person's.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it does not.
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

    /// The session as it goes on when the person's epoch is raised and it is to be carried to the new one, with tokens
    /// that are issued for it now: neither an access token of the former epoch is good any more, nor the refresh token
    /// that it had, of which somebody may hold a copy.
    #[must_use]
    pub fn rebind_to_epoch(&self, epoch: u64, token: &RefreshToken, lifetimes: Lifetimes, now: Timestamp) -> Self {
        Self {
            epoch,
            token_expires_at: self.next_token_expires_at(self.expires_at, lifetimes, now),
            refresh_hash: token.hash(),
            rotation: None,
            ..self.clone()
        }
    }

    /// Whether this is the refresh token that is good, or the one that was spent last, whose successor may have been lost
    /// on its way: enough to end the session by, which gives nobody anything.
    pub fn matches_refresh_token(&self, token: &RefreshToken) -> bool {
        let hash = token.hash();
        hash == self.refresh_hash || self.rotation.as_ref().is_some_and(|rotation| rotation.spent == hash)
    }

    /// When a token that is issued now expires, in a session that ends then. Never before one that was issued already:
    /// until then whoever relies on tokens must hear of the session's end, also where tokens live shorter since.
    fn next_token_expires_at(&self, session_ends: Timestamp, lifetimes: Lifetimes, now: Timestamp) -> Timestamp {
        now.plus(lifetimes.access_token).max(self.token_expires_at).min(session_ends)
    }

    /// What becomes of the session, which is alive, if this token is presented.
    pub fn refresh(&self, token: &RefreshToken, lifetimes: Lifetimes, now: Timestamp, random: &impl Random) -> Refresh {
        let hash = token.hash();
        if hash == self.refresh_hash {
            let nonce = RotationNonce::random(random);
            let successor = token.successor(&nonce);
            let after = Self {
                last_used_at: now,
                expires_at: now.plus(lifetimes.idle).min(self.absolute_expires_at),
                token_expires_at: self.next_token_expires_at(self.absolute_expires_at, lifetimes, now),
                refresh_hash: successor.hash(),
                rotation: Some(Rotation { spent: hash, nonce, at: now }),
                ..self.clone()
            };
            return Refresh::Rotated(Box::new(after), successor);
        }
        match &self.rotation {
            Some(rotation) if rotation.spent == hash && now < rotation.at.plus(REUSE_GRACE_PERIOD) => {
                Refresh::Replayed(token.successor(&rotation.nonce), rotation.at)
            }
            _ => Refresh::Reused,
        }
    }
}

/// A session and whose it is, as they stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// The person.
    pub user: User,
    /// Their session.
    pub session: Session,
}

/// Why a token that has not expired is good no more. For the log: the client learns only that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// There is no such session.
    #[error("there is no such session")]
    SessionNotFound,
    /// The person ended it, or the time is up.
    #[error("the session has ended")]
    SessionEnded,
    /// All of the person's tokens or sessions of that epoch were revoked.
    #[error("what the person had in that epoch is revoked")]
    StaleEpoch,
    /// The person may not act.
    #[error("the person is suspended")]
    UserSuspended,
}

impl UserSession {
    /// Whether the session goes on.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it does not.
    pub fn ensure_active(&self, now: Timestamp) -> Result<(), Revoked> {
        self.session.ensure_active(&self.user, now)
    }

    /// Whether a token of this session, issued in this epoch of the person, still speaks for them.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it does not.
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
    fn a_session_that_is_not_used_ends_when_its_idle_time_is_over() {
        let (signed_in, _) = started();
        assert_eq!(signed_in.authorize(3, after(59)), Ok(()));
        assert_eq!(signed_in.authorize(3, after(60)), Err(Revoked::SessionEnded));
        assert_eq!(signed_in.session.token_expires_at, after(15));
    }

    #[test]
    fn a_session_that_is_used_goes_on_until_its_absolute_end_and_so_do_its_tokens() {
        let (mut signed_in, mut token) = started();
        for minutes in [50, 100, 149] {
            (signed_in.session, token) = rotated(&signed_in.session, &token, after(minutes));
            assert_eq!(signed_in.session.last_used_at, after(minutes));
        }
        assert_eq!((signed_in.session.expires_at, signed_in.session.token_expires_at), (after(150), after(150)));
        assert_eq!(signed_in.ensure_active(after(149)), Ok(()));
        assert_eq!(signed_in.ensure_active(after(150)), Err(Revoked::SessionEnded));
    }

    #[test]
    fn an_ended_session_an_earlier_epoch_and_a_suspended_person_are_refused() {
        let (signed_in, _) = started();
        let mut ended = signed_in.clone();
        ended.session.ended_at = Some(now());
        assert_eq!(ended.authorize(3, now()), Err(Revoked::SessionEnded));
        assert_eq!(signed_in.authorize(2, now()), Err(Revoked::StaleEpoch));
        let mut left_behind = signed_in.clone();
        left_behind.user.epoch = 4;
        assert_eq!(left_behind.ensure_active(now()), Err(Revoked::StaleEpoch));
        let mut suspended = signed_in;
        suspended.user.status = UserStatus::Suspended;
        assert_eq!(suspended.authorize(3, now()), Err(Revoked::UserSuspended));
    }

    #[test]
    fn a_spent_token_gets_the_same_successor_for_ten_seconds_and_ends_the_session_after() {
        let (signed_in, first) = started();
        let (session, second) = rotated(&signed_in.session, &first, after(10));
        let moment = |seconds| after(10).plus(Duration::from_secs(seconds));
        assert_eq!(refresh(&session, &first, moment(9)), Refresh::Replayed(second.clone(), after(10)));
        assert_eq!(refresh(&session, &first, moment(10)), Refresh::Reused);
        assert_eq!(session.refresh_hash, second.hash());
    }

    #[test]
    fn once_its_successor_is_spent_too_a_token_has_no_grace() {
        let (signed_in, first) = started();
        let (session, second) = rotated(&signed_in.session, &first, after(10));
        let (session, third) = rotated(&session, &second, after(10));
        assert_eq!(refresh(&session, &first, after(10)), Refresh::Reused);
        assert_eq!(refresh(&session, &second, after(10)), Refresh::Replayed(third, after(10)));
    }

    #[test]
    fn a_session_that_is_carried_to_another_epoch_goes_on_and_its_token_ends_with_it_at_the_latest() {
        let (signed_in, token) = started();
        let next = RefreshToken::new(token.user, token.session, &SeededRandom::new(9));
        let session = signed_in.session.rebind_to_epoch(4, &next, LIFETIMES, after(30));
        let revoked = User { epoch: 4, ..signed_in.user };
        let retained_session = UserSession { user: revoked, session };
        assert_eq!(
            (retained_session.authorize(4, after(30)), retained_session.authorize(3, after(30))),
            (Ok(()), Err(Revoked::StaleEpoch))
        );
        assert_eq!(retained_session.session.token_expires_at, after(45));
        assert!(matches!(refresh(&retained_session.session, &next, after(30)), Refresh::Rotated(..)));
        assert_eq!(refresh(&retained_session.session, &token, after(30)), Refresh::Reused, "somebody may hold a copy");
        assert_eq!(
            retained_session.session.rebind_to_epoch(5, &next, LIFETIMES, after(59)).token_expires_at,
            after(60)
        );
    }

    #[test]
    fn where_tokens_live_shorter_than_before_a_session_remembers_the_longer_one_until_it_has_expired() {
        let (signed_in, token) = started();
        let shorter = Lifetimes { access_token: Duration::from_mins(1), ..LIFETIMES };
        let Refresh::Rotated(session, _) = signed_in.session.refresh(&token, shorter, after(1), &SeededRandom::new(3))
        else {
            panic!()
        };
        assert_eq!(session.token_expires_at, after(15));
        assert_eq!(signed_in.session.rebind_to_epoch(4, &token, shorter, after(1)).token_expires_at, after(15));
        assert_eq!(session.rebind_to_epoch(4, &token, shorter, after(20)).token_expires_at, after(21));
    }

    #[test]
    fn a_session_may_be_ended_by_its_good_token_and_the_one_spent_last_and_by_no_other() {
        let (signed_in, first) = started();
        let by =
            |session: &Session, tokens: [&RefreshToken; 3]| tokens.map(|token| session.matches_refresh_token(token));
        let (once, second) = rotated(&signed_in.session, &first, after(10));
        let (twice, third) = rotated(&once, &second, after(20));
        assert_eq!(by(&signed_in.session, [&first, &second, &third]), [true, false, false]);
        assert_eq!(by(&once, [&first, &second, &third]), [true, true, false]);
        assert_eq!(by(&twice, [&first, &second, &third]), [false, true, true]);
        let forged = RefreshToken::new(first.user, first.session, &SeededRandom::new(99));
        assert!(!twice.matches_refresh_token(&forged));
    }

    #[test]
    fn a_token_that_was_made_up_for_a_session_counts_as_reused() {
        let (signed_in, token) = started();
        let forged = RefreshToken::new(token.user, token.session, &SeededRandom::new(99));
        assert_eq!(refresh(&signed_in.session, &forged, now()), Refresh::Reused);
    }
}
