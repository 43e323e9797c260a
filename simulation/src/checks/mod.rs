//! What must hold after every step.

mod events;
mod ledger;
mod requests;
mod revocation;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use auth::Principal;

pub(crate) use ledger::Ledger;

use crate::command::Command;
use crate::executor::TaskId;
use crate::people::{People, TokenContent};
use crate::platform::Answer;
use crate::tables::{Change, Tables, text};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub check: &'static str,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.detail)
    }
}

pub(crate) type Checked = Result<(), Violation>;

pub(crate) fn violation<T>(check: &'static str, detail: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { check, detail: detail.into() })
}

/// Fails unless the condition holds.
pub(crate) fn ensure(holds: bool, check: &'static str, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { violation(check, detail()) }
}

/// A command that is being executed.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) command: Command,
    /// The number of answers before it started: what was answered by then is decided.
    pub(crate) answers_before: u64,
    /// The number of commits before it started.
    pub(crate) commits_before: u64,
    /// The access token that it presents.
    pub(crate) token: Option<TokenContent>,
    /// Whose token it has, once it is admitted.
    pub(crate) principal: Option<Principal>,
    /// The requests that failed, or were answered late.
    pub(crate) faults: u32,
    /// The refresh token that it presents.
    pub(crate) refresh_token: Option<String>,
    /// Whether the refresh token had been presented before.
    pub(crate) presented_before: bool,
}

/// What a check looks at when a command is answered.
pub(crate) struct Context<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) people: &'a People,
    pub(crate) now_s: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) ledger: Ledger,
    pub(crate) running: BTreeMap<TaskId, Running>,
    requests: requests::Requests,
    revocation: revocation::Revocation,
    sessions: sessions::Sessions,
    readers: events::Readers,
    answers: u64,
    /// Per address, the task that signed up with it.
    signed_up: BTreeMap<String, TaskId>,
    /// The commands that were rejected. A request of theirs may still be on its way.
    rejected: BTreeMap<TaskId, String>,
}

impl Checks {
    pub(crate) fn started(&mut self, task: TaskId, running: Running) {
        let running = Running { answers_before: self.answers, commits_before: self.ledger.commits, ..running };
        self.running.insert(task, running);
    }

    pub(crate) fn admitted(&mut self, task: TaskId, principal: Principal) {
        if let Some(running) = self.running.get_mut(&task) {
            running.principal = Some(principal);
        }
    }

    pub(crate) fn failed_request(&mut self, task: TaskId) {
        if let Some(running) = self.running.get_mut(&task) {
            running.faults += 1;
        }
    }

    /// Checks the changes that a request of a task has committed.
    pub(crate) fn committed(&mut self, task: TaskId, changes: &[Change]) -> Checked {
        let running = self.running.get(&task);
        let webhook = running.and_then(|running| match &running.command {
            Command::Webhook { id, .. } => Some(id.as_str()),
            _ => None,
        });
        for change in changes.iter().filter(|change| change.key.sk == "PROFILE" && change.old.is_none()) {
            let email = change.new.as_ref().map_or("", |user| text(user, "email"));
            let other = self.signed_up.insert(email.to_owned(), task);
            ensure(other.is_none(), "an address has one user", || email.to_owned())?;
        }
        self.ledger.committed(task, webhook, changes)?;
        if let Some(rejected) = self.rejected.get(&task) {
            let posts = changes.iter().any(|change| {
                change.key.sk == "TRANSFER" && change.new.as_ref().is_some_and(|new| text(new, "status") == "COMPLETED")
            });
            ensure(!posts, "a rejected request has no effect", || format!("{rejected}, then {changes:?}"))?;
        }
        if let Some(running) = running {
            self.revocation.committed(running, changes)?;
        }
        Ok(())
    }

    /// Whether someone has signed up with an address.
    pub(crate) fn is_signed_up(&self, email: &str) -> bool {
        self.signed_up_by(email).is_some()
    }

    fn signed_up_by(&self, email: &str) -> Option<TaskId> {
        self.signed_up.get(email).copied()
    }

    /// A sign-up succeeds if it is the one that was stored, and is rejected if another one was.
    fn check_sign_up(&self, task: TaskId, user: usize, answer: &Answer, context: &Context<'_>) -> Checked {
        let email = context.people.users.get(user).map_or("", |user| user.email.as_str());
        let by = self.signed_up_by(email);
        let is_true = match (answer.status, answer.code) {
            (201, _) => by == Some(task),
            (_, Some("identifier_taken")) => by.is_some_and(|by| by != task),
            _ => true,
        };
        ensure(is_true, "a sign-up has its own result", || format!("{email}: {}, stored by {by:?}", answer.summary()))
    }

    /// The number of answers so far.
    pub(crate) const fn answers(&self) -> u64 {
        self.answers
    }

    /// An event of the account context was applied.
    pub(crate) fn applied(&mut self, body: &str) {
        self.revocation.applied(body);
    }

    /// A command ended without an answer.
    pub(crate) fn ended(&mut self, task: TaskId) {
        self.running.remove(&task);
    }

    /// Checks an answer.
    pub(crate) fn answered(&mut self, task: TaskId, answer: &Answer, context: &Context<'_>) -> Checked {
        let Some(running) = self.running.remove(&task) else { return Ok(()) };
        self.answers += 1;
        if requests::is_rejection(&running, answer) {
            self.rejected.insert(task, format!("{}: {}", running.command, answer.summary()));
        }
        requests::check_status(&running, answer, context)?;
        if let Command::SignUp { user } = running.command {
            self.check_sign_up(task, user, answer, context)?;
        }
        requests::check_effect(task, &running, answer, &self.ledger)?;
        requests::check_answer(&running, answer, &self.ledger, context)?;
        self.requests.check_idempotency(&running, answer, self.answers)?;
        self.sessions.check(&running, answer, self.answers, context)
    }

    /// Checks the pages of a history, newest first.
    pub(crate) fn followed(&mut self, task: TaskId, pages: &[Answer], context: &Context<'_>) -> Checked {
        let Some(running) = self.running.remove(&task) else { return Ok(()) };
        self.answers += 1;
        for answer in pages {
            requests::check_status(&running, answer, context)?;
        }
        self.readers.check(&running, pages, &self.ledger)
    }

    /// The time up to which a user's history was complete.
    pub(crate) fn complete_until(&self, user: usize) -> Option<&str> {
        self.readers.complete_until(user)
    }

    /// An operator's command succeeded.
    pub(crate) fn operator_succeeded(&mut self, task: TaskId, context: &Context<'_>) {
        let Some(running) = self.running.remove(&task) else { return };
        self.answers += 1;
        if let Command::SetStatus { user, status: "SUSPENDED" } = running.command {
            self.sessions.end_all(user, running.answers_before, self.answers, None, context);
        }
    }
}

/// Checks what must hold once every event has arrived.
pub(crate) fn check_settled(tables: &Tables, published: &BTreeSet<String>) -> Checked {
    events::check_convergence(tables)?;
    events::check_published(tables, published)
}
