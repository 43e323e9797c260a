//! Ending one session of a user.

use auth::Principal;
use config::{ConfigError, Env};
use kernel::SessionId;

use super::error::AccountError;
use super::settings;
use crate::Clients;
use crate::domain::{AuditEventKind, AuditLog, AuditSubject, ClientInfo};
use crate::store::{AccountTable, EndSessionOutcome};

#[derive(Debug)]
pub struct EndSession {
    pub accounts: AccountTable,
    pub audit_log: AuditLog,
}

impl EndSession {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, clients: &Clients) -> Result<Self, ConfigError> {
        let accounts = AccountTable::from_env(env, clients.dynamodb.clone())?;
        Ok(Self { accounts, audit_log: settings::audit_log(env)? })
    }

    /// Ends a session of the user, in one round trip.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if the outcome is unknown.
    pub async fn end(
        &self,
        principal: &Principal,
        session: SessionId,
        client: &ClientInfo,
    ) -> Result<EndSessionOutcome, AccountError> {
        let now = self.accounts.now();
        let subject = AuditSubject::User(principal.user_id);
        let event = self.audit_log.event(AuditEventKind::SessionEnded, subject, client, now, self.accounts.random());
        let event = event.in_session(session).with_detail(format!("from session {}", principal.session_id));
        Ok(self.accounts.end_session(principal.user_id, session, now, &event).await?)
    }
}
