//! Sessions: a refresh token has one successor, and an ended session stays ended.

use std::collections::BTreeMap;

use super::{Checked, Context, Running, ensure, violation};
use crate::command::{Caller, Command};
use crate::people::TokenContent;
use crate::platform::Answer;
use crate::tables::{ACCOUNT_TABLE, number, text};

#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// The successor of each refresh token that was used.
    successors: BTreeMap<String, String>,
    /// When each session ended, as the number of answers up to then.
    ended: BTreeMap<String, u64>,
}

impl Sessions {
    pub(super) fn check(&mut self, running: &Running, answer: &Answer, answers: u64, context: &Context<'_>) -> Checked {
        let why = || format!("{}: {}", running.command, answer.summary());
        match &running.command {
            Command::SignIn { wrong_password: true, .. } => {
                return ensure(answer.status != 200, "a wrong password is rejected", why);
            }
            Command::Refresh { .. } => return self.check_refresh(running, answer, context),
            _ => {}
        }
        let Some(session) = running.command.caller().and_then(|by| context.people.session(by)) else { return Ok(()) };
        let is_checked = running.command.is_of_account_context() && !matches!(running.command, Command::SignOut { .. });
        if is_checked && answer.status < 300 {
            self.ensure_not_ended(&session.content.sid, running)?;
        }
        match &running.command {
            Command::SignOut { scope: "local", .. } if answer.body["ended"] == true => {
                self.ended.entry(session.content.sid.clone()).or_insert(answers);
            }
            Command::EndSession { by, other } if answer.status == 204 => {
                if let Some(other) = context.people.session(Caller { session: *other, ..*by }) {
                    self.ended.entry(other.content.sid.clone()).or_insert(answers);
                }
            }
            Command::SignOut { by, scope: "global" } if answer.status == 200 => {
                self.end_all(by.user, running.answers_before, answers, None, context);
            }
            Command::SignOut { by, scope: "others" } | Command::ChangePassword { by } if answer.status == 200 => {
                self.end_all(by.user, running.answers_before, answers, Some(by.session), context);
            }
            _ => {}
        }
        Ok(())
    }

    /// Records that all sessions of a user have ended that were started before the command.
    pub(super) fn end_all(
        &mut self,
        user: usize,
        before: u64,
        answers: u64,
        except: Option<u32>,
        context: &Context<'_>,
    ) {
        let Some(user) = context.people.users.get(user) else { return };
        for (task, session) in &user.sessions {
            if Some(*task) != except && session.answers <= before {
                self.ended.entry(session.content.sid.clone()).or_insert(answers);
            }
        }
    }

    fn check_refresh(&mut self, running: &Running, answer: &Answer, context: &Context<'_>) -> Checked {
        let Some(token) = &running.refresh_token else { return Ok(()) };
        let why = || format!("{}: {}", running.command, answer.summary());
        if answer.status == 200 {
            let successor = answer.body["refresh_token"].as_str().unwrap_or_default();
            let known = self.successors.entry(token.clone()).or_insert_with(|| successor.to_owned());
            ensure(known == successor, "a refresh token has one successor", why)?;
            let issued = answer.body["access_token"].as_str().map(TokenContent::of);
            return issued.map_or(Ok(()), |issued| self.ensure_not_ended(&issued.sid, running));
        }
        let Some(presented) = &running.token else { return Ok(()) };
        if answer.code != Some("invalid_refresh_token") || running.presented_before {
            return Ok(());
        }
        // The current token of an active session was rejected.
        let partition = format!("USER#{}", presented.sub);
        let user = context.tables.item(ACCOUNT_TABLE, &partition, "PROFILE");
        let stored = context.tables.item(ACCOUNT_TABLE, &partition, &format!("SESSION#{}", presented.sid));
        let (Some(user), Some(stored)) = (user, stored) else { return Ok(()) };
        let is_active = stored.get("endedAt").is_none()
            && number(stored, "epoch") == number(user, "epoch")
            && number(stored, "epoch").cast_unsigned() == presented.epoch
            && text(user, "status") == "ACTIVE"
            && context.now_s + 2 < number(stored, "expiresAt");
        if is_active { violation("a current refresh token is accepted", why()) } else { Ok(()) }
    }

    fn ensure_not_ended(&self, sid: &str, running: &Running) -> Checked {
        let ended = self.ended.get(sid).is_some_and(|answer| *answer <= running.answers_before);
        ensure(!ended, "an ended session stays ended", || format!("{} (session {sid})", running.command))
    }
}
