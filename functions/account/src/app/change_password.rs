//! Changing the password.

use config::{ConfigError, Env};
use futures_util::future::join;

use super::active_session::AuthenticatedSession;
use super::error::AccountError;
use super::reauthenticate::{PlannedUpdate, ReauthRequest, Reauthenticate};
use super::settings;
use super::token_issuer::{TokenIssuer, TokenPair};
use crate::Clients;
use crate::domain::{AuditEventKind, Lifetimes, Password, PasswordHash, PasswordPolicy, RefreshToken};

pub struct ChangePassword {
    pub users: Reauthenticate,
    pub password_policy: PasswordPolicy,
    pub issuer: TokenIssuer,
    pub lifetimes: Lifetimes,
}

impl ChangePassword {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, clients: &Clients) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Reauthenticate::from_env(env, clients)?,
            password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
            issuer: TokenIssuer::without_key(env, clients.dynamodb.clone())?,
            lifetimes: settings::lifetimes(env)?,
        })
    }

    /// Changes the password in two sequential round trips: the check of the current password, joined with loading the
    /// signing key, and the update. Every other session ends. The current one stays active with the returned tokens.
    ///
    /// # Errors
    ///
    /// Those of [`Reauthenticate`]; [`AccountError::NoSigningKey`], before anything has changed.
    pub async fn change_password(
        &self,
        request: &ReauthRequest,
        session: AuthenticatedSession,
        new: &Password,
    ) -> Result<TokenPair, AccountError> {
        let Self { users, issuer, lifetimes, .. } = self;
        // The signing key is loaded first: without it the current session would be lost.
        let (key, user) = join(issuer.signing_key.get(), users.verify_password(request, session.user_session)).await;
        let user = user?;
        key?;
        let random = users.accounts.random();
        let hash = PasswordHash::new(new, random)?;
        let token = RefreshToken::new(request.principal.user_id, request.principal.session_id, random);
        let updated = users
            .update(request, user, |found, now| {
                let user = found.user.next_version(now).revoked();
                let retained_session = found.session.rebind_to_epoch(user.epoch, &token, *lifetimes, now);
                let (new_hash, kind) = (Some(hash.clone()), AuditEventKind::PasswordChanged);
                Some(PlannedUpdate { user, new_hash, retained_session: Some(retained_session), kind, detail: None })
            })
            .await?;
        issuer.issue(&updated.user, &updated.session, &token, users.accounts.now()).await
    }
}
