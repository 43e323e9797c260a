//! Sessions: from a sign-in to its end.

use std::time::Duration;

use kernel::{Random, SessionId, Timestamp};

use super::{Person, PersonStatus};

/// One sign-in of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When the person signed in.
    pub started_at: Timestamp,
    /// When its last token expires.
    pub expires_at: Timestamp,
    /// When the person signed out, if they did.
    pub ended_at: Option<Timestamp>,
}

impl Session {
    /// A session that starts now and lasts as long as the token that is issued with it.
    pub fn start(random: &impl Random, now: Timestamp, lifetime: Duration) -> Self {
        Self { id: SessionId::random(random), started_at: now, expires_at: now.plus(lifetime), ended_at: None }
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
    /// The person signed out, or the time is up.
    #[error("the session has ended")]
    SessionEnded,
    /// All of the person's tokens of that epoch were revoked.
    #[error("the person's tokens of that epoch are revoked")]
    EpochPassed,
    /// The person may not act.
    #[error("the person is suspended")]
    PersonSuspended,
}

impl SignedIn {
    /// Whether a token of this session, issued in this epoch of the person, still speaks for them.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it does not.
    pub fn accept(&self, token_epoch: u64, now: Timestamp) -> Result<(), Revoked> {
        if self.session.ended_at.is_some() || now >= self.session.expires_at {
            return Err(Revoked::SessionEnded);
        }
        if token_epoch < self.person.epoch {
            return Err(Revoked::EpochPassed);
        }
        match self.person.status {
            PersonStatus::Active => Ok(()),
            PersonStatus::Suspended => Err(Revoked::PersonSuspended),
        }
    }
}

#[cfg(test)]
mod tests {
    use contact::Email;
    use kernel::UserId;
    use kernel::random::Seeded;

    use super::*;

    const LIFETIME: Duration = Duration::from_mins(15);

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
    }

    fn signed_in() -> SignedIn {
        let email = Email::parse("ada@example.com").unwrap();
        let person = Person { epoch: 3, ..Person::new(UserId::random(&Seeded::new(1)), email, None, now()) };
        SignedIn { person, session: Session::start(&Seeded::new(2), now(), LIFETIME) }
    }

    #[test]
    fn a_session_speaks_for_its_person_until_it_expires() {
        let signed_in = signed_in();
        assert_eq!(signed_in.accept(3, now()), Ok(()));
        assert_eq!(signed_in.accept(3, now().plus(LIFETIME)), Err(Revoked::SessionEnded));
    }

    #[test]
    fn an_ended_session_an_earlier_epoch_and_a_suspended_person_are_refused() {
        let mut ended = signed_in();
        ended.session.ended_at = Some(now());
        assert_eq!(ended.accept(3, now()), Err(Revoked::SessionEnded));
        assert_eq!(signed_in().accept(2, now()), Err(Revoked::EpochPassed));
        let mut suspended = signed_in();
        suspended.person.status = PersonStatus::Suspended;
        assert_eq!(suspended.accept(3, now()), Err(Revoked::PersonSuspended));
    }
}
