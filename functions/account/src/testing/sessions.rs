//! Sessions in memory, for the tests of what goes on with them and ends them.

use std::collections::VecDeque;
use std::sync::Mutex;

use kernel::testing::SeededRandom;
use kernel::{SessionId, Timestamp, UserId};

use super::{LIFETIMES, ada, now};
use crate::domain::{AuditEvent, RefreshToken, RefreshTokenHash, Session, User, UserSession};
use crate::store::{
    EndSession, EndSessionOutcome, FindSession, ListSessions, RotateRefreshToken, StoreError, UpdateOutcome,
    UpdateUser, UserUpdate,
};

/// A person and their sessions, as the table has them.
pub(crate) struct State {
    pub(crate) user: Option<User>,
    pub(crate) sessions: Vec<Session>,
    /// What was written down, in its order.
    pub(crate) recorded: Vec<AuditEvent>,
}

type Meanwhile = Box<dyn FnOnce(&mut State) + Send>;

/// A table with Ada and her sessions in it.
pub(crate) struct Sessions {
    state: Mutex<State>,
    /// What others do before each write, one after the other.
    meanwhile: Mutex<VecDeque<Meanwhile>>,
    busy: bool,
}

/// The session of this seed, which Ada began now, and its refresh token.
pub(crate) fn session_and_token(seed: u64) -> (Session, RefreshToken) {
    Session::start(&ada(), Some("a browser".to_owned()), LIFETIMES, now(), &SeededRandom::new(seed))
}

pub(crate) fn session(seed: u64) -> Session {
    session_and_token(seed).0
}

impl Sessions {
    pub(crate) fn of_ada(sessions: impl IntoIterator<Item = Session>) -> Self {
        let state = State { user: Some(ada()), sessions: sessions.into_iter().collect(), recorded: Vec::new() };
        Self { state: Mutex::new(state), meanwhile: Mutex::default(), busy: false }
    }

    /// A table that answers nobody.
    pub(crate) fn busy() -> Self {
        Self { busy: true, ..Self::of_ada([]) }
    }

    /// Has somebody else do this before the next write that nobody else comes before yet.
    pub(crate) fn meanwhile(&self, change: impl FnOnce(&mut State) + Send + 'static) {
        self.meanwhile.lock().unwrap().push_back(Box::new(change));
    }

    /// What it holds, to look at and to change.
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The kinds of what was written down.
    pub(crate) fn recorded(&self) -> Vec<&'static str> {
        self.state().recorded.iter().map(|record| record.kind.name()).collect()
    }

    fn read(&self) -> Result<std::sync::MutexGuard<'_, State>, StoreError> {
        if self.busy { Err(StoreError::Unavailable("busy".to_owned())) } else { Ok(self.state()) }
    }

    fn write(&self) -> Result<std::sync::MutexGuard<'_, State>, StoreError> {
        let mut state = self.read()?;
        if let Some(change) = self.meanwhile.lock().unwrap().pop_front() {
            change(&mut state);
        }
        Ok(state)
    }
}

impl State {
    /// The session of this id, to look at and to change.
    pub(crate) fn session(&mut self, id: SessionId) -> &mut Session {
        self.sessions.iter_mut().find(|session| session.id == id).unwrap()
    }
}

impl FindSession for Sessions {
    async fn find_session(&self, user: UserId, session: SessionId) -> Result<Option<UserSession>, StoreError> {
        let state = self.read()?;
        let user = state.user.clone().filter(|found| found.id == user);
        let session = state.sessions.iter().find(|found| found.id == session).cloned();
        Ok(user.zip(session).map(|(user, session)| UserSession { user, session }))
    }
}

impl ListSessions for Sessions {
    async fn list_sessions(&self, user: UserId) -> Result<Option<(User, Vec<Session>)>, StoreError> {
        let state = self.read()?;
        let user = state.user.clone().filter(|found| found.id == user);
        Ok(user.map(|user| (user, state.sessions.clone())))
    }
}

impl EndSession for Sessions {
    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        record: &AuditEvent,
    ) -> Result<EndSessionOutcome, StoreError> {
        let mut state = self.write()?;
        let is_theirs = state.user.as_ref().is_some_and(|found| found.id == user);
        let Some(found) = state.sessions.iter_mut().find(|found| is_theirs && found.id == session) else {
            return Ok(EndSessionOutcome::NotFound);
        };
        if found.ended_at.is_some() {
            return Ok(EndSessionOutcome::AlreadyEnded);
        }
        found.ended_at = Some(now);
        state.recorded.push(record.clone());
        Ok(EndSessionOutcome::Ended)
    }
}

impl RotateRefreshToken for Sessions {
    async fn rotate_refresh_token(
        &self,
        user: UserId,
        good: &RefreshTokenHash,
        after: &Session,
    ) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        assert_eq!(state.user.as_ref().map(|user| user.id), Some(user));
        let found = state.session(after.id);
        if found.refresh_hash != *good || found.ended_at.is_some() || found.epoch != after.epoch {
            return Ok(false);
        }
        *found = after.clone();
        Ok(true)
    }
}

impl UpdateUser for Sessions {
    async fn update_user(&self, change: UserUpdate<'_>) -> Result<UpdateOutcome, StoreError> {
        let mut state = self.write()?;
        assert_eq!(change.after.version, change.before.version + 1);
        if state.user.as_ref().is_none_or(|user| user.version != change.before.version) {
            return Ok(UpdateOutcome::VersionConflict(state.user.clone().map(Box::new)));
        }
        if let Some(retained_session) = change.retained_session {
            let goes_on = |session: &&mut Session| session.id == retained_session.id && session.ended_at.is_none();
            let Some(session) = state.sessions.iter_mut().find(goes_on) else {
                return Ok(UpdateOutcome::SessionConflict);
            };
            *session = retained_session.clone();
        }
        state.user = Some(change.after.clone());
        state.recorded.push(change.event.clone());
        Ok(UpdateOutcome::Updated)
    }
}
