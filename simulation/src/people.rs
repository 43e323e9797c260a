//! What clients know: the sessions of users, and the payments that they have created.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::command::Caller;
use crate::executor::TaskId;

pub(crate) const WRONG_PASSWORD: &str = "a wrong guess, again";

/// The number of sessions that a client keeps for a user.
const MAX_SESSIONS: usize = 5;

/// The number of rejections after which a client signs in again.
const MAX_REJECTIONS: u32 = 3;

/// The claims of an access token that clients and checks look at.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(crate) struct TokenContent {
    pub(crate) sub: String,
    pub(crate) sid: String,
    pub(crate) epoch: u64,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

impl TokenContent {
    pub(crate) fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).expect("a token with a payload");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        serde_json::from_slice(&payload).expect("claims")
    }
}

/// A session of a user, as the client knows it.
#[derive(Debug, Clone)]
pub(crate) struct HeldSession {
    pub(crate) access_token: String,
    pub(crate) content: TokenContent,
    pub(crate) refresh_token: String,
    /// A refresh token that was replaced.
    pub(crate) used_token: Option<String>,
    /// Whether the refresh token was presented, whatever became of it.
    pub(crate) presented: bool,
    /// The number of answers up to the sign-in.
    pub(crate) answers: u64,
    pub(crate) rejections: u32,
}

impl HeldSession {
    fn from_tokens(tokens: &Value) -> Option<Self> {
        let access_token = tokens["access_token"].as_str()?.to_owned();
        let content = TokenContent::of(&access_token);
        let refresh_token = tokens["refresh_token"].as_str()?.to_owned();
        Some(Self {
            access_token,
            content,
            refresh_token,
            used_token: None,
            presented: false,
            answers: 0,
            rejections: 0,
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) sessions: BTreeMap<TaskId, HeldSession>,
}

/// A payment, as its creator knows it.
#[derive(Debug, Clone)]
pub(crate) struct KnownPayment {
    pub(crate) user: usize,
    pub(crate) reference: String,
    pub(crate) amount: i64,
}

#[derive(Debug, Default)]
pub(crate) struct People {
    pub(crate) users: Vec<User>,
    pub(crate) payments: BTreeMap<TaskId, KnownPayment>,
}

impl People {
    pub(crate) fn new(users: usize) -> Self {
        let user = |number| User {
            email: format!("user{number}@example.com"),
            password: "correct horse battery staple".to_owned(),
            sessions: BTreeMap::new(),
        };
        Self { users: (0..users).map(user).collect(), payments: BTreeMap::new() }
    }

    pub(crate) fn session(&self, by: Caller) -> Option<&HeldSession> {
        self.users.get(by.user)?.sessions.get(&by.session)
    }

    pub(crate) fn session_mut(&mut self, by: Caller) -> Option<&mut HeldSession> {
        self.users.get_mut(by.user)?.sessions.get_mut(&by.session)
    }

    /// Keeps the tokens of a sign-in. A client forgets its oldest sessions.
    pub(crate) fn signed_in(&mut self, user: usize, task: TaskId, tokens: &Value, answers: u64) {
        if let (Some(user), Some(session)) = (self.users.get_mut(user), HeldSession::from_tokens(tokens)) {
            user.sessions.insert(task, HeldSession { answers, ..session });
            if user.sessions.len() > MAX_SESSIONS {
                user.sessions.pop_first();
            }
        }
    }

    /// Replaces the tokens of a session. `sent` is the refresh token of the request.
    pub(crate) fn replaced(&mut self, by: Caller, sent: Option<&str>, tokens: &Value) {
        let Some(new) = HeldSession::from_tokens(tokens) else { return };
        let Some(held) = self.session_mut(by) else { return };
        // The answer to an earlier request can arrive later.
        if sent.is_some_and(|sent| sent != held.refresh_token) {
            return;
        }
        *held = HeldSession { used_token: Some(held.refresh_token.clone()), answers: held.answers, ..new };
    }

    /// A client gives up a session whose tokens were rejected often.
    pub(crate) fn rejected(&mut self, by: Caller) {
        let Some(user) = self.users.get_mut(by.user) else { return };
        let Some(session) = user.sessions.get_mut(&by.session) else { return };
        session.rejections += 1;
        if session.rejections > MAX_REJECTIONS {
            user.sessions.remove(&by.session);
        }
    }

    /// All callers with a session.
    pub(crate) fn callers(&self) -> Vec<Caller> {
        let users = self.users.iter().enumerate();
        users.flat_map(|(user, of)| of.sessions.keys().map(move |session| Caller { user, session: *session })).collect()
    }
}
