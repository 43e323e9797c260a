//! Answers: each is true of some moment between request and answer, and a key has one effect and one answer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Checked, Context, Ledger, Running, ensure, violation};
use crate::command::Command;
use crate::executor::TaskId;
use crate::platform::Answer;
use crate::tables::{ACCOUNT_TABLE, PAYMENT_TABLE, number, text};

/// The codes with which a keyed transfer fails for good.
const STORED_FAILURES: [&str; 5] =
    ["account_frozen", "account_not_found", "currency_mismatch", "headroom_exceeded", "insufficient_funds"];

/// The seconds by which clocks of functions differ at most.
const MAX_SKEW_S: i64 = 2;

/// No function fails, and a service that is unavailable is the only reason for a 503.
pub(super) fn check_status(running: &Running, answer: &Answer, context: &Context<'_>) -> Checked {
    let why = || format!("{}: {} ({})", running.command, answer.summary(), answer.cause.as_deref().unwrap_or_default());
    ensure(answer.status != 500, "no internal errors", why)?;
    ensure(answer.status < 500 || answer.status == 503, "no failure but 503", why)?;
    let transient = matches!(answer.code, Some("contention" | "outcome_unknown" | "unavailable"));
    ensure(!transient || running.faults > 0, "503 only after a fault", why)?;
    let unauthenticated = answer.code == Some("unauthenticated");
    ensure(!unauthenticated || may_be_rejected(running, context), "a valid token is accepted", why)
}

/// Whether the caller's token may have been invalid at the time of the answer.
fn may_be_rejected(running: &Running, context: &Context<'_>) -> bool {
    let Some(token) = &running.token else { return true };
    let key = |prefix: &str, id: &str| format!("{prefix}#{id}");
    let user = context.tables.item(ACCOUNT_TABLE, &key("USER", &token.sub), "PROFILE");
    let stored = context.tables.item(ACCOUNT_TABLE, &key("USER", &token.sub), &key("SESSION", &token.sid));
    let (Some(user), Some(stored)) = (user, stored) else { return true };
    // A reactivation has not arrived yet. With many ended sessions, tokens of others are revoked too, until a refresh.
    let replica = context.tables.item(PAYMENT_TABLE, &key("USER", &token.sub), "USER");
    let not_before = replica.map_or(0, |replica| number(replica, "tokensNotBefore"));
    context.now_s + MAX_SKEW_S >= token.exp
        || stored.get("endedAt").is_some()
        || number(user, "epoch").cast_unsigned() > token.epoch
        || text(user, "status") != "ACTIVE"
        || token.iat < not_before
        || replica.is_some_and(|replica| text(replica, "status") == "SUSPENDED")
}

/// Whether an answer says that nothing has changed. A revoked token does not learn what became of a request with a key.
pub(super) fn is_rejection(running: &Running, answer: &Answer) -> bool {
    let is_revoked = answer.status == 401 && running.command.key().is_some();
    !is_revoked && (400..500).contains(&answer.status) || answer.code == Some("contention")
}

/// A request has one effect at most, and none if it is rejected.
pub(super) fn check_effect(task: TaskId, running: &Running, answer: &Answer, ledger: &Ledger) -> Checked {
    let posted = ledger.posted_by(task);
    let why = || format!("{}: {}, posted {posted:?}", running.command, answer.summary());
    ensure(posted.len() <= 1, "one effect per request", why)?;
    ensure(!is_rejection(running, answer) || posted.is_empty(), "a rejected request has no effect", why)
}

/// An answer was true at some moment between the request and the answer.
pub(super) fn check_answer(running: &Running, answer: &Answer, ledger: &Ledger, context: &Context<'_>) -> Checked {
    let why = || format!("{}: {} {}", running.command, answer.summary(), answer.body);
    let since = running.commits_before;
    let parties = match &running.command {
        Command::Deposit { account, amount, .. } => Some((None, Some(account), *amount)),
        Command::Withdraw { account, amount, .. } => Some((Some(account), None, *amount)),
        Command::Send { from, to, amount, .. } => Some((Some(from), Some(to), *amount)),
        _ => None,
    };
    if let Some((from, to, amount)) = parties {
        return match answer.code {
            None => {
                let id = answer.body["id"].as_str().unwrap_or_default();
                let Some(posted) = ledger.transfers.get(id) else { return violation("an answer is true", why()) };
                let is_own = posted.from.as_ref() == from && posted.to.as_ref() == to && posted.amount == amount;
                ensure(is_own, "an answer is true", why)
            }
            Some("insufficient_funds") if !answer.is_replay => {
                let positions = from.map_or(&[][..], |from| ledger.positions_since(from, since));
                let was_short = positions.iter().any(|position| position.available < amount);
                ensure(was_short, "insufficient funds were insufficient", why)
            }
            Some("account_frozen") if !answer.is_replay => {
                let sides = from.into_iter().chain(to);
                let mut positions = sides.flat_map(|side| ledger.positions_since(side, since));
                ensure(positions.any(|position| !position.is_active), "a frozen account was frozen", why)
            }
            _ => Ok(()),
        };
    }
    match &running.command {
        Command::ListAccounts { by } if answer.status == 200 => {
            let listed = answer.body.as_array().map_or(&[][..], Vec::as_slice);
            for account in listed {
                check_listed(account, ledger, since)?;
            }
            let owner = context.people.session(*by).map(|session| session.content.sub.clone()).unwrap_or_default();
            for id in ledger.accounts_of(&owner, since) {
                let is_listed = listed.iter().any(|account| account["id"] == id);
                ensure(is_listed, "every account is listed", || format!("{id}: {}", answer.body))?;
            }
            Ok(())
        }
        Command::GetPayment { .. } | Command::ChangePayment { key: None, .. } if answer.status == 200 => {
            let (reference, status) = (answer.body["reference"].as_str(), answer.body["status"].as_str());
            let had = ledger.had_status(reference.unwrap_or_default(), status.unwrap_or_default(), since);
            ensure(had, "an answer is true", why)
        }
        _ => Ok(()),
    }
}

/// A listed balance is one that the account had since the request.
fn check_listed(listed: &Value, ledger: &Ledger, since: u64) -> Checked {
    let id = listed["id"].as_str().unwrap_or_default();
    let shown = (listed["balance"].as_i64(), listed["available"].as_i64());
    let positions = ledger.positions_since(id, since);
    let had = positions.iter().any(|p| (Some(p.balance), Some(p.available.max(0))) == shown);
    ensure(had, "a listed balance is one that the account had", || format!("{listed}, positions {positions:?}"))
}

/// What was answered to the first request with a key.
#[derive(Debug, Clone)]
struct Decided {
    payload: String,
    /// The id of what it created, or the code with which it failed.
    outcome: String,
    /// The number of answers up to it.
    answer: u64,
}

#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<(usize, &'static str, String), Decided>);

impl Requests {
    /// The same key with the same payload has the same answer, and with another one a 422.
    pub(super) fn check_idempotency(&mut self, running: &Running, answer: &Answer, answers: u64) -> Checked {
        let (Some(key), Some(by)) = (running.command.key(), running.command.caller()) else { return Ok(()) };
        let name = running.command.name();
        let is_transfer = matches!(name, "deposit" | "send" | "withdraw");
        let outcome = match answer.code {
            None => ["id", "reference"].iter().find_map(|name| answer.body[*name].as_str()).unwrap_or_default(),
            Some(code) if is_transfer && STORED_FAILURES.contains(&code) => code,
            Some("idempotency_key_reused") => "idempotency_key_reused",
            Some(_) => return Ok(()),
        };
        let payload = running.command.payload();
        let why = || format!("{payload} under {key}: {}", answer.summary());
        let known = self.0.get(&(by.user, name, key.to_owned()));
        match known {
            Some(decided) if decided.payload == payload => {
                let same = decided.outcome == outcome;
                ensure(same, "a key has one answer", || format!("{}, before {}", why(), decided.outcome))
            }
            Some(decided) if decided.answer <= running.answers_before => {
                let reused = outcome == "idempotency_key_reused";
                ensure(reused, "a key has one payload", || format!("{}, before {}", why(), decided.payload))
            }
            // Both were in progress: at most one of them was decided under this key.
            Some(decided) => {
                let one = outcome == "idempotency_key_reused" || decided.outcome == "idempotency_key_reused";
                ensure(one, "a key has one payload", || format!("{}, also {}", why(), decided.payload))
            }
            None if outcome == "idempotency_key_reused" => Ok(()),
            None => {
                let decided = Decided { payload, outcome: outcome.to_owned(), answer: answers };
                self.0.insert((by.user, name, key.to_owned()), decided);
                Ok(())
            }
        }
    }
}
