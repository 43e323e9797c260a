//! Sessions: from a sign-in to its end.

use std::time::Duration;

use kernel::{Random, SessionId, Timestamp};

use super::{Person, PersonStatus, RefreshToken, RefreshTokenHash, RotationNonce};

/// How long after a rotation the spent token still gets the answer that may have been lost.
pub const GRACE: Duration = Duration::from_secs(10);

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
    Again(RefreshToken, Timestamp),
    /// The token is not the one that is good: it was spent before, or made up. Somebody holds what they should not.
    Reused,
}

impl Session {
    /// A session of this person that starts now, and its refresh token.
    pub fn start(
        person: &Person,
        user_agent: Option<String>,
        lifetimes: Lifetimes,
        now: Timestamp,
        random: &impl Random,
    ) -> (Self, RefreshToken) {
        let id = SessionId::random(random);
        let token = RefreshToken::new(person.id, id, random);
        let absolute_expires_at = now.plus(lifetimes.absolute);
        let session = Self {
            id,
            started_at: now,
            last_used_at: now,
            user_agent,
            epoch: person.epoch,
            absolute_expires_at,
            expires_at: now.plus(lifetimes.idle).min(absolute_expires_at),
            token_expires_at: now.plus(lifetimes.access_token).min(absolute_expires_at),
            refresh_hash: token.hash(),
            rotation: None,
            ended_at: None,
        };
        (session, token)
    }

    /// The session as it goes on when the person's epoch is raised and it is to be carried to the new one: another access
    /// token is issued for it now, for those of the former epoch are good no more.
    #[must_use]
    pub fn carried_to(&self, epoch: u64, lifetimes: Lifetimes, now: Timestamp) -> Self {
        let token_expires_at = now.plus(lifetimes.access_token).min(self.absolute_expires_at);
        Self { epoch, token_expires_at, ..self.clone() }
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
                token_expires_at: now.plus(lifetimes.access_token).min(self.absolute_expires_at),
                refresh_hash: successor.hash(),
                rotation: Some(Rotation { spent: hash, nonce, at: now }),
                ..self.clone()
            };
            return Refresh::Rotated(Box::new(after), successor);
        }
        match &self.rotation {
            Some(rotation) if rotation.spent == hash && now < rotation.at.plus(GRACE) => {
                Refresh::Again(token.successor(&rotation.nonce), rotation.at)
            }
            _ => Refresh::Reused,
        }
    }
}

/// A session and whose it is, as they stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The person.
    pub person: Person,
    /// Their session.
    pub session: Session,
}

/// Why a token that has not expired is good no more. For the log: the client learns only that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// There is no such session.
    #[error("there is no such session")]
    NoSession,
    /// The person ended it, or the time is up.
    #[error("the session has ended")]
    SessionEnded,
    /// All of the person's tokens or sessions of that epoch were revoked.
    #[error("what the person had in that epoch is revoked")]
    EpochPassed,
    /// The person may not act.
    #[error("the person is suspended")]
    PersonSuspended,
}

impl SignedIn {
    /// Whether the session goes on.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it does not.
    pub fn is_alive(&self, now: Timestamp) -> Result<(), Revoked> {
        if self.session.ended_at.is_some() || now >= self.session.expires_at {
            return Err(Revoked::SessionEnded);
        }
        if self.session.epoch < self.person.epoch {
            return Err(Revoked::EpochPassed);
        }
        match self.person.status {
            PersonStatus::Active => Ok(()),
            PersonStatus::Suspended => Err(Revoked::PersonSuspended),
        }
    }

    /// Whether a token of this session, issued in this epoch of the person, still speaks for them.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it does not.
    pub fn accept(&self, token_epoch: u64, now: Timestamp) -> Result<(), Revoked> {
        self.is_alive(now)?;
        if token_epoch < self.person.epoch { Err(Revoked::EpochPassed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use contact::Email;
    use kernel::UserId;
    use kernel::random::Seeded;

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

    fn started() -> (SignedIn, RefreshToken) {
        let email = Email::parse("ada@example.com").unwrap();
        let person = Person { epoch: 3, ..Person::new(UserId::random(&Seeded::new(1)), email, None, now()) };
        let (session, token) = Session::start(&person, None, LIFETIMES, now(), &Seeded::new(2));
        (SignedIn { person, session }, token)
    }

    fn refresh(session: &Session, token: &RefreshToken, at: Timestamp) -> Refresh {
        session.refresh(token, LIFETIMES, at, &Seeded::new(3))
    }

    fn rotated(session: &Session, token: &RefreshToken, at: Timestamp) -> (Session, RefreshToken) {
        let Refresh::Rotated(after, next) = refresh(session, token, at) else { panic!("not rotated") };
        (*after, next)
    }

    #[test]
    fn a_session_that_is_not_used_ends_when_its_idle_time_is_over() {
        let (signed_in, _) = started();
        assert_eq!(signed_in.accept(3, after(59)), Ok(()));
        assert_eq!(signed_in.accept(3, after(60)), Err(Revoked::SessionEnded));
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
        assert_eq!(signed_in.is_alive(after(149)), Ok(()));
        assert_eq!(signed_in.is_alive(after(150)), Err(Revoked::SessionEnded));
    }

    #[test]
    fn an_ended_session_an_earlier_epoch_and_a_suspended_person_are_refused() {
        let (signed_in, _) = started();
        let mut ended = signed_in.clone();
        ended.session.ended_at = Some(now());
        assert_eq!(ended.accept(3, now()), Err(Revoked::SessionEnded));
        assert_eq!(signed_in.accept(2, now()), Err(Revoked::EpochPassed));
        let mut left_behind = signed_in.clone();
        left_behind.person.epoch = 4;
        assert_eq!(left_behind.is_alive(now()), Err(Revoked::EpochPassed));
        let mut suspended = signed_in;
        suspended.person.status = PersonStatus::Suspended;
        assert_eq!(suspended.accept(3, now()), Err(Revoked::PersonSuspended));
    }

    #[test]
    fn a_spent_token_gets_the_same_successor_for_ten_seconds_and_ends_the_session_after() {
        let (signed_in, first) = started();
        let (session, second) = rotated(&signed_in.session, &first, after(10));
        let moment = |seconds| after(10).plus(Duration::from_secs(seconds));
        assert_eq!(refresh(&session, &first, moment(9)), Refresh::Again(second.clone(), after(10)));
        assert_eq!(refresh(&session, &first, moment(10)), Refresh::Reused);
        assert_eq!(session.refresh_hash, second.hash());
    }

    #[test]
    fn once_its_successor_is_spent_too_a_token_has_no_grace() {
        let (signed_in, first) = started();
        let (session, second) = rotated(&signed_in.session, &first, after(10));
        let (session, third) = rotated(&session, &second, after(10));
        assert_eq!(refresh(&session, &first, after(10)), Refresh::Reused);
        assert_eq!(refresh(&session, &second, after(10)), Refresh::Again(third, after(10)));
    }

    #[test]
    fn a_session_that_is_carried_to_another_epoch_goes_on_and_its_token_ends_with_it_at_the_latest() {
        let (signed_in, token) = started();
        let session = signed_in.session.carried_to(4, LIFETIMES, after(30));
        let revoked = Person { epoch: 4, ..signed_in.person };
        let carried = SignedIn { person: revoked, session };
        assert_eq!((carried.accept(4, after(30)), carried.accept(3, after(30))), (Ok(()), Err(Revoked::EpochPassed)));
        assert_eq!(carried.session.token_expires_at, after(45));
        assert!(matches!(refresh(&carried.session, &token, after(30)), Refresh::Rotated(..)));
        assert_eq!(carried.session.carried_to(5, LIFETIMES, after(149)).token_expires_at, after(150));
    }

    #[test]
    fn a_token_that_was_made_up_for_a_session_counts_as_reused() {
        let (signed_in, token) = started();
        let forged = RefreshToken::new(token.user, token.session, &Seeded::new(99));
        assert_eq!(refresh(&signed_in.session, &forged, now()), Refresh::Reused);
    }
}
