//! Signing out: ending the current session, all others, or all.

use auth::Principal;
use config::{ConfigError, Env};
use futures_util::future::join;
use kernel::{SessionId, UserId};

use super::active_session::find_active_session;
use super::error::AccountError;
use super::settings;
use super::token_issuer::{TokenIssuer, TokenPair};
use crate::Clients;
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Lifetimes, Recognition, RefreshToken, UserSession,
};
use crate::store::{AccountTable, EndSessionOutcome, UpdateConflict, UpdatePlan};

pub struct SignOut {
    pub accounts: AccountTable,
    pub issuer: TokenIssuer,
    pub lifetimes: Lifetimes,
    pub audit_log: AuditLog,
}

impl SignOut {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, clients: &Clients) -> Result<Self, ConfigError> {
        Ok(Self {
            accounts: AccountTable::from_env(env, clients.dynamodb.clone())?,
            issuer: TokenIssuer::without_key(env, clients.dynamodb.clone())?,
            lifetimes: settings::lifetimes(env)?,
            audit_log: settings::audit_log(env)?,
        })
    }

    /// Ends a session, in one round trip. An ended session stays ended. Returns whether it was active until now.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if the outcome is unknown.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        client: &ClientInfo,
    ) -> Result<bool, AccountError> {
        let now = self.accounts.now();
        let event = self.event(AuditEventKind::SessionEnded, user, session, client);
        Ok(self.accounts.end_session(user, session, now, &event).await? == EndSessionOutcome::Ended)
    }

    /// Ends the session of a refresh token, in two round trips. Only the current token of an active session ends it, or the
    /// previous one, whose successor may not have reached the client. Returns whether it ended one.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if the outcome is unknown.
    pub async fn end_session_of(&self, token: &RefreshToken, client: &ClientInfo) -> Result<bool, AccountError> {
        let Some(found) = self.accounts.find_session(token.user, token.session).await? else { return Ok(false) };
        if found.ensure_active(self.accounts.now()).is_err() {
            return Ok(false);
        }
        let rejection = match found.session.recognize(token) {
            Recognition::Current | Recognition::Previous => {
                return self.end_session(token.user, token.session, client).await;
            }
            Recognition::Used => "used before",
            Recognition::Superseded => "superseded",
            Recognition::Unknown => "not recognized",
        };
        let event = self.event(AuditEventKind::RefreshTokenRefused, token.user, token.session, client);
        self.accounts.append_audit_event(&event.with_detail(rejection)).await?;
        Ok(false)
    }

    /// Ends all sessions of the user by raising the epoch, in two round trips.
    ///
    /// # Errors
    ///
    /// [`AccountError::Revoked`] if the session of the request has ended.
    pub async fn revoke_all(&self, principal: &Principal, client: &ClientInfo) -> Result<(), AccountError> {
        let load = |_: Option<UpdateConflict>| find_active_session(&self.accounts, principal);
        let plan = |UserSession { user, session }: &UserSession| {
            let event = self.event(AuditEventKind::SessionsRevoked, user.id, session.id, client).with_detail("all");
            Some(UpdatePlan::new(user.next_version(self.accounts.now()).revoked(), event))
        };
        self.accounts.update_user_with_retry::<_, AccountError, _>(load, plan).await?;
        Ok(())
    }

    /// Ends all sessions of the user but the current one, in two round trips. Returns new tokens of that session, since
    /// the previous ones are revoked.
    ///
    /// # Errors
    ///
    /// [`AccountError::Revoked`] if the session of the request has ended; [`AccountError::NoSigningKey`], before any
    /// session has ended.
    pub async fn revoke_others(&self, principal: &Principal, client: &ClientInfo) -> Result<TokenPair, AccountError> {
        let now = self.accounts.now();
        let token = RefreshToken::new(principal.user_id, principal.session_id, self.accounts.random());
        // Loads the key first: without it the current session would be lost.
        let load = |_: Option<UpdateConflict>| async {
            let session = find_active_session(&self.accounts, principal);
            let (key, session) = join(self.issuer.signing_key.get(), session).await;
            let session = session?;
            key?;
            Ok(session)
        };
        let plan = |UserSession { user, session }: &UserSession| {
            let event = self.event(AuditEventKind::SessionsRevoked, user.id, session.id, client);
            let after = user.next_version(now).revoked();
            let retained_session = Some(session.rebind_to_epoch(after.epoch, &token, self.lifetimes, now));
            Some(UpdatePlan { retained_session, ..UpdatePlan::new(after, event.with_detail("all but this one")) })
        };
        let (found, update) = self.accounts.update_user_with_retry::<_, AccountError, _>(load, plan).await?;
        let (user, session) = match update {
            Some(update) => (update.user, update.retained_session.unwrap_or(found.session)),
            None => (found.user, found.session),
        };
        self.issuer.issue(&user, &session, &token, now).await
    }

    fn event(&self, kind: AuditEventKind, user: UserId, session: SessionId, client: &ClientInfo) -> AuditEvent {
        let (now, random) = (self.accounts.now(), self.accounts.random());
        self.audit_log.event(kind, AuditSubject::User(user), client, now, random).in_session(session)
    }
}
