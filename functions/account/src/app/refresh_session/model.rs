//! Sessions against a model: sign-in, refresh, sign-out and time in any order.

use std::collections::BTreeMap;
use std::time::Duration;

use auth::Principal;
use kernel::testing::SeededRandom;
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_oneof};
use proptest::sample;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use super::*;
use crate::app::end_session::EndSession;
use crate::app::sign_in::{SignIn, SignInRequest};
use crate::app::sign_out::SignOut;
use crate::domain::{Identifier, REUSE_GRACE_PERIOD};
use crate::store::EndSessionOutcome;
use crate::testing::{LIFETIMES, PASSWORD, TestApp, ada, audit_log, with_header};

const CASES: u32 = 6;
const MAX_SESSIONS: usize = 3;

prop_state_machine! {
    #![proptest_config(testkit::models::config(CASES))]

    #[test]
    fn sessions_agree_with_their_model(sequential 1..60 => Sessions);
}

/// A session is a position among those that were started, a token one among the refresh tokens of the session, newest first.
#[derive(Debug, Clone, Copy)]
enum Step {
    SignIn,
    Refresh { session: usize, token: usize },
    RefreshForged { session: usize },
    SignOut { session: usize, token: usize },
    EndSession { by: usize, session: usize },
    EndOthers { by: usize },
    EndAll { by: usize },
    Wait { seconds: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The refresh token was replaced by a new one.
    Rotated,
    /// The refresh token was answered with its successor again.
    Replayed,
    Refused(RefreshTokenRejection),
    Unauthenticated,
    SignedOut(bool),
    Ended(EndSessionOutcome),
}

#[derive(Debug, Clone)]
struct ModelSession {
    epoch: u64,
    is_ended: bool,
    last_used_at: u64,
    expires_at: u64,
    absolute_expires_at: u64,
    token_expires_at: u64,
    /// The epoch of the last access token.
    token_epoch: u64,
    /// The family of each refresh token, oldest first.
    tokens: Vec<usize>,
    family: usize,
    /// When the last but one refresh token was replaced by the last one, unless that is the first of its family.
    rotated_at: Option<u64>,
}

#[derive(Debug, Clone)]
struct Model {
    now: u64,
    epoch: u64,
    sessions: Vec<ModelSession>,
    outcome: Outcome,
}

impl ModelSession {
    fn revoked(&self, epoch: u64, now: u64) -> Option<Revoked> {
        if self.is_ended || now >= self.expires_at {
            Some(Revoked::SessionEnded)
        } else {
            (self.epoch < epoch).then_some(Revoked::StaleEpoch)
        }
    }

    fn renew_access_token(&mut self, now: u64, session_ends: u64) {
        let expiry = now + LIFETIMES.access_token.as_secs();
        self.token_expires_at = expiry.max(self.token_expires_at).min(session_ends);
        self.last_used_at = now;
    }
}

impl Model {
    /// Whether the last access token of a session is valid.
    fn is_authenticated(&self, session: usize) -> bool {
        let ModelSession { token_epoch, token_expires_at, .. } = self.sessions[session];
        let is_active = self.sessions[session].revoked(self.epoch, self.now).is_none();
        is_active && token_epoch >= self.epoch && self.now < token_expires_at
    }

    fn sign_in(&mut self) -> Outcome {
        let (now, epoch) = (self.now, self.epoch);
        let mut active: Vec<_> =
            self.sessions.iter_mut().filter(|session| session.revoked(epoch, now).is_none()).collect();
        active.sort_by_key(|session| session.last_used_at);
        let excess = (active.len() + 1).saturating_sub(MAX_SESSIONS);
        active.into_iter().take(excess).for_each(|session| session.is_ended = true);
        self.sessions.push(ModelSession {
            epoch,
            is_ended: false,
            last_used_at: now,
            expires_at: now + LIFETIMES.idle.as_secs(),
            absolute_expires_at: now + LIFETIMES.absolute.as_secs(),
            token_expires_at: now + LIFETIMES.access_token.as_secs(),
            token_epoch: epoch,
            tokens: vec![0],
            family: 0,
            rotated_at: None,
        });
        Outcome::Done
    }

    fn refresh(&mut self, session: usize, token: usize) -> Outcome {
        let now = self.now;
        let epoch = self.epoch;
        let session = &mut self.sessions[session];
        if let Some(revoked) = session.revoked(epoch, now) {
            return Outcome::Refused(revoked.into());
        }
        let family = session.tokens[session.tokens.len() - 1 - token];
        let is_in_grace = session.rotated_at.is_some_and(|at| now < at + REUSE_GRACE_PERIOD.as_secs());
        if token == 0 {
            session.expires_at = (now + LIFETIMES.idle.as_secs()).min(session.absolute_expires_at);
            session.renew_access_token(now, session.absolute_expires_at);
            session.token_epoch = epoch;
            session.tokens.push(session.family);
            session.rotated_at = Some(now);
            Outcome::Rotated
        } else if family == session.family && token == 1 && is_in_grace {
            Outcome::Replayed
        } else if family == session.family {
            session.is_ended = true;
            Outcome::Refused(RefreshTokenRejection::Reused)
        } else if family + 1 == session.family {
            Outcome::Refused(RefreshTokenRejection::Superseded)
        } else {
            Outcome::Refused(RefreshTokenRejection::NotRecognized)
        }
    }

    fn sign_out(&mut self, session: usize, token: usize) -> Outcome {
        let (epoch, now) = (self.epoch, self.now);
        let session = &mut self.sessions[session];
        let is_last = token == 0 || (token == 1 && session.rotated_at.is_some());
        let ends = is_last && session.revoked(epoch, now).is_none();
        session.is_ended |= ends;
        Outcome::SignedOut(ends)
    }

    fn end_session(&mut self, by: usize, session: usize) -> Outcome {
        if !self.is_authenticated(by) {
            return Outcome::Unauthenticated;
        }
        let was_ended = std::mem::replace(&mut self.sessions[session].is_ended, true);
        Outcome::Ended(if was_ended { EndSessionOutcome::AlreadyEnded } else { EndSessionOutcome::Ended })
    }

    fn end_all(&mut self, by: usize, keeps_own: bool) -> Outcome {
        if !self.is_authenticated(by) {
            return Outcome::Unauthenticated;
        }
        self.epoch += 1;
        if keeps_own {
            let session = &mut self.sessions[by];
            session.epoch = self.epoch;
            session.token_epoch = self.epoch;
            session.renew_access_token(self.now, session.expires_at);
            session.family += 1;
            session.tokens.push(session.family);
            session.rotated_at = None;
        }
        Outcome::Done
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self { now: 0, epoch: 0, sessions: Vec::new(), outcome: Outcome::Done }).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        if state.sessions.is_empty() {
            return Just(Step::SignIn).boxed();
        }
        // Usually one of the last tokens.
        let token = || prop_oneof![5 => Just(0_usize), 3 => Just(1), 1 => Just(2), 1 => Just(5)];
        let is_active = |session: &usize| state.sessions[*session].revoked(state.epoch, state.now).is_none();
        let started = 0..state.sessions.len();
        let active: Vec<_> = started.clone().filter(is_active).collect();
        // Usually one that is active.
        let session = || match active.as_slice() {
            [] => started.clone().boxed(),
            active => prop_oneof![6 => sample::select(active.to_vec()), 1 => started.clone()].boxed(),
        };
        let seconds = sample::select(vec![0, 7, 8, 9, 9, 600, 900, 1800, 3599, 40_000]);
        prop_oneof![
            4 => Just(Step::SignIn),
            12 => (session(), token()).prop_map(|(session, token)| Step::Refresh { session, token }),
            1 => session().prop_map(|session| Step::RefreshForged { session }),
            1 => (session(), token()).prop_map(|(session, token)| Step::SignOut { session, token }),
            1 => (session(), session()).prop_map(|(by, session)| Step::EndSession { by, session }),
            1 => session().prop_map(|by| Step::EndOthers { by }),
            1 => session().prop_map(|by| Step::EndAll { by }),
            3 => seconds.prop_map(|seconds| Step::Wait { seconds }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Refresh { session, token } | Step::SignOut { session, token } => {
                state.sessions.get(*session).is_some_and(|session| *token < session.tokens.len())
            }
            Step::EndSession { by, session } => (*by).max(*session) < state.sessions.len(),
            Step::RefreshForged { session: given } | Step::EndOthers { by: given } | Step::EndAll { by: given } => {
                *given < state.sessions.len()
            }
            Step::SignIn | Step::Wait { .. } => true,
        }
    }

    /// Each step takes a second, so that no two sessions are used at the same time.
    fn apply(mut state: Self, step: &Step) -> Self {
        state.now += 1;
        state.outcome = match *step {
            Step::SignIn => state.sign_in(),
            Step::Refresh { session, token } => state.refresh(session, token),
            Step::RefreshForged { session } => {
                let revoked = state.sessions[session].revoked(state.epoch, state.now);
                Outcome::Refused(revoked.map_or(RefreshTokenRejection::NotRecognized, RefreshTokenRejection::from))
            }
            Step::SignOut { session, token } => state.sign_out(session, token),
            Step::EndSession { by, session } => state.end_session(by, session),
            Step::EndOthers { by } => state.end_all(by, true),
            Step::EndAll { by } => state.end_all(by, false),
            Step::Wait { seconds } => {
                state.now += seconds;
                Outcome::Done
            }
        };
        state
    }
}

struct Sessions {
    runtime: Runtime,
    user: Browser,
}

/// What a user has been given.
struct Browser {
    app: TestApp,
    sign_in: SignIn,
    refresh: RefreshSession,
    sign_out: SignOut,
    end_session: EndSession,
    sessions: Vec<Given>,
    forged: u64,
}

struct Given {
    access_token: Secret<String>,
    /// Oldest first.
    refresh_tokens: Vec<Secret<String>>,
}

impl Browser {
    async fn take(&mut self, step: Step) -> Outcome {
        let client = ClientInfo::default();
        match step {
            Step::SignIn => {
                let identifier = Identifier::Email(ada().email);
                let request = SignInRequest { identifier, password: Secret::new(PASSWORD.to_owned()), client };
                let (_, tokens) = self.sign_in.sign_in(&request).await.unwrap();
                let (access_token, refresh_tokens) = (tokens.access.token, vec![tokens.refresh_token]);
                self.sessions.push(Given { access_token, refresh_tokens });
                Outcome::Done
            }
            Step::Refresh { session, token } => self.refresh(session, token).await,
            Step::RefreshForged { session } => {
                let token = self.token(session, 0);
                self.forged += 1;
                let forged = RefreshToken::new(token.user, token.session, &SeededRandom::new(1000 + self.forged));
                match self.refresh.refresh(Some(&forged.to_text()), &client).await {
                    Err(AccountError::InvalidRefreshToken(reason)) => Outcome::Refused(reason),
                    other => panic!("{other:?}"),
                }
            }
            Step::SignOut { session, token } => {
                let token = self.token(session, token);
                Outcome::SignedOut(self.sign_out.end_session_of(&token, &client).await.unwrap())
            }
            Step::EndSession { by, session } => {
                let ended = self.token(session, 0).session;
                let Some(principal) = self.authenticate(by).await else { return Outcome::Unauthenticated };
                Outcome::Ended(self.end_session.end(&principal, ended, &client).await.unwrap())
            }
            Step::EndOthers { by } => {
                let Some(principal) = self.authenticate(by).await else { return Outcome::Unauthenticated };
                let tokens = self.sign_out.revoke_others(&principal, &client).await.unwrap();
                self.sessions[by].access_token = tokens.access.token;
                self.sessions[by].refresh_tokens.push(tokens.refresh_token);
                Outcome::Done
            }
            Step::EndAll { by } => {
                let Some(principal) = self.authenticate(by).await else { return Outcome::Unauthenticated };
                self.sign_out.revoke_all(&principal, &client).await.unwrap();
                Outcome::Done
            }
            Step::Wait { seconds } => {
                self.app.clock.advance(Duration::from_secs(seconds));
                Outcome::Done
            }
        }
    }

    async fn refresh(&mut self, session: usize, token: usize) -> Outcome {
        let Given { access_token, refresh_tokens: tokens } = &mut self.sessions[session];
        let presented = &tokens[tokens.len() - 1 - token];
        match self.refresh.refresh(Some(presented), &ClientInfo::default()).await {
            Ok(pair) => {
                *access_token = pair.access.token;
                if tokens.last() == Some(&pair.refresh_token) {
                    return Outcome::Replayed;
                }
                assert!(!tokens.contains(&pair.refresh_token));
                tokens.push(pair.refresh_token);
                Outcome::Rotated
            }
            Err(AccountError::InvalidRefreshToken(reason)) => Outcome::Refused(reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// A refresh token of a session, counted from the newest.
    fn token(&self, session: usize, token: usize) -> RefreshToken {
        let tokens = &self.sessions[session].refresh_tokens;
        RefreshToken::parse(tokens[tokens.len() - 1 - token].expose()).unwrap()
    }

    /// The principal of a session's last access token, if that is valid.
    async fn authenticate(&self, session: usize) -> Option<Principal> {
        let token = self.sessions[session].access_token.expose();
        let request = with_header("authorization", &format!("Bearer {token}"));
        Some(self.app.authenticate(&request).await.ok()?.principal)
    }
}

impl StateMachineTest for Sessions {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let user = runtime.block_on(async {
            let app = TestApp::with_ada().await;
            let accounts = || app.accounts.clone();
            let sign_in = SignIn { max_sessions: MAX_SESSIONS, ..app.sign_in().await };
            let refresh = app.refresh_session().await;
            let issuer = app.issuer().await;
            let sign_out = SignOut { accounts: accounts(), issuer, lifetimes: LIFETIMES, audit_log: audit_log() };
            let end_session = EndSession { accounts: accounts(), audit_log: audit_log() };
            Browser { app, sign_in, refresh, sign_out, end_session, sessions: Vec::new(), forged: 0 }
        });
        Self { runtime, user }
    }

    fn apply(mut sessions: Self, model: &Model, step: Step) -> Self {
        sessions.user.app.clock.advance(Duration::from_secs(1));
        assert_eq!(sessions.runtime.block_on(sessions.user.take(step)), model.outcome, "{step:?}");
        sessions
    }

    /// The stored sessions are as active as in the model, and the last access token of each is as valid.
    fn check_invariants(Self { runtime, user }: &Self, model: &Model) {
        runtime.block_on(async {
            let page = user.app.accounts.list_sessions(ada().id, None, 100).await.unwrap();
            let stored: BTreeMap<_, _> = page.sessions.into_iter().map(|session| (session.id, session)).collect();
            let (owner, now) = (user.app.ada().await, user.app.accounts.now());
            for (number, expected) in model.sessions.iter().enumerate() {
                let session = stored[&user.token(number, 0).session].clone();
                let session = UserSession { user: owner.clone(), session };
                assert_eq!(
                    session.ensure_active(now).err(),
                    expected.revoked(model.epoch, model.now),
                    "session {number}"
                );
                let token = user.sessions[number].access_token.expose();
                let principal = user.app.verifier.verify(token).await;
                let is_valid = principal.is_ok_and(|principal| session.authorize(principal.epoch, now).is_ok());
                assert_eq!(is_valid, model.is_authenticated(number), "session {number}");
            }
        });
    }
}
