//! Changes that require the current password, since an access token alone may be stolen.

use auth::Principal;
use config::{ConfigError, Env};
use futures_util::future::{join, try_join};
use kernel::{Secret, Timestamp};

use super::active_session::{AuthenticatedSession, find_active_session};
use super::admission::admit;
use super::error::AccountError;
use super::settings;
use super::sign_in::check_password;
use crate::Clients;
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, PasswordHash, Session, User,
    UserSession,
};
use crate::store::{AccountTable, CountedAttempt, Credential, UpdateConflict, UpdatePlan};

/// Updates users who have confirmed their password.
#[derive(Debug)]
pub struct Reauthenticate {
    pub accounts: AccountTable,
    pub audit_log: AuditLog,
}

/// A signed-in user's request for a change.
#[derive(Debug)]
pub struct ReauthRequest {
    pub principal: Principal,
    /// The current password, as entered.
    pub password: Secret<String>,
    pub client: ClientInfo,
}

/// A user who entered the correct password, as last loaded.
#[derive(Debug)]
pub struct ReauthenticatedUser {
    found: UserSession,
    credential: Credential,
    attempt: CountedAttempt,
}

impl AsRef<User> for ReauthenticatedUser {
    fn as_ref(&self) -> &User {
        &self.found.user
    }
}

/// The update that a use case plans.
#[derive(Debug)]
pub struct PlannedUpdate {
    /// The user in the next version.
    pub user: User,
    /// The hash of a new password.
    pub new_hash: Option<PasswordHash>,
    /// The session that stays active although all others end.
    pub retained_session: Option<Session>,
    /// The audit event of the update.
    pub kind: AuditEventKind,
    pub detail: Option<&'static str>,
}

impl Reauthenticate {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, clients: &Clients) -> Result<Self, ConfigError> {
        let accounts = AccountTable::from_env(env, clients.dynamodb.clone())?;
        Ok(Self { accounts, audit_log: settings::audit_log(env)? })
    }

    /// Checks the current password. Attempts are counted, since a stolen token would otherwise allow any number of guesses, but
    /// apart from sign-ins: strangers must not be able to lock the owner out of a password change.
    ///
    /// # Errors
    ///
    /// [`AccountError::WrongCurrentPassword`] if the password is wrong; [`AccountError::TooManyAttempts`] after too many failures.
    pub async fn verify_password(
        &self,
        request: &ReauthRequest,
        found: UserSession,
    ) -> Result<ReauthenticatedUser, AccountError> {
        let (user, email) = (found.user.id, Identifier::Email(found.user.email.clone()));
        let counted = admit(&self.accounts, |now| self.accounts.count_reauthentication(user, now));
        let (attempt, credential) = join(counted, self.accounts.find_credential(&email)).await;
        let attempt = attempt?;
        let checked = request.check(credential?);
        if matches!(checked, Err(AccountError::WrongCurrentPassword)) {
            let event = self.event(AuditEventKind::ReauthenticationFailed, request, self.accounts.now());
            let event = event.with_detail(format!("attempt {}", attempt.number));
            let settled = self.accounts.settle_reauthentication(user, &attempt);
            try_join(self.accounts.append_audit_event(&event), settled).await?;
        }
        checked.map(|credential| ReauthenticatedUser { found, credential, attempt })
    }

    /// Applies the planned update, if there is one, and resets the failed attempts. On a concurrent update the plan is made
    /// again, as long as token and password are still valid. If an identifier is taken, the attempt stays counted, so that
    /// accounts cannot be enumerated in bulk.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if an identifier is in use; [`AccountError::Revoked`] or
    /// [`AccountError::WrongCurrentPassword`] if the token or the password is no longer valid.
    pub async fn update(
        &self,
        request: &ReauthRequest,
        user: ReauthenticatedUser,
        plan: impl Fn(&UserSession, Timestamp) -> Option<PlannedUpdate> + Sync,
    ) -> Result<UserSession, AccountError> {
        let attempt = user.attempt.clone();
        let mut verified = Some(user);
        let load = |_: Option<UpdateConflict>| {
            let verified = verified.take();
            async {
                match verified {
                    Some(user) => Ok(user),
                    None => self.reload(request, &attempt).await,
                }
            }
        };
        let plan = |user: &ReauthenticatedUser| {
            let now = self.accounts.now();
            let planned = plan(&user.found, now)?;
            let event = self.event(planned.kind, request, now);
            Some(UpdatePlan {
                password_hash: Some(planned.new_hash.unwrap_or_else(|| user.credential.password_hash.clone())),
                reset_failed_attempts: true,
                retained_session: planned.retained_session,
                ..UpdatePlan::new(planned.user, planned.detail.into_iter().fold(event, AuditEvent::with_detail))
            })
        };
        match self.accounts.update_user_with_retry::<_, AccountError, _>(load, plan).await {
            Ok((ReauthenticatedUser { found, .. }, Some(update))) => {
                let session = update.retained_session.unwrap_or(found.session);
                Ok(UserSession { user: update.user, session })
            }
            // Nothing was written, so the attempt was not reset and stays counted.
            outcome => {
                let settled = self.accounts.settle_reauthentication(request.principal.user_id, &attempt).await;
                let (user, _) = outcome?;
                settled?;
                Ok(user.found)
            }
        }
    }

    /// Loads the user after a concurrent update, and checks token and password again.
    async fn reload(
        &self,
        request: &ReauthRequest,
        attempt: &CountedAttempt,
    ) -> Result<ReauthenticatedUser, AccountError> {
        // Everything may have been revoked meanwhile; then no session may be retained.
        let found = find_active_session(&self.accounts, &request.principal).await?;
        let email = Identifier::Email(found.user.email.clone());
        let credential = request.check(self.accounts.find_credential(&email).await?)?;
        Ok(ReauthenticatedUser { found, credential, attempt: attempt.clone() })
    }

    fn event(&self, kind: AuditEventKind, request: &ReauthRequest, now: Timestamp) -> AuditEvent {
        let subject = AuditSubject::User(request.principal.user_id);
        let event = self.audit_log.event(kind, subject, &request.client, now, self.accounts.random());
        event.in_session(request.principal.session_id)
    }
}

impl ReauthRequest {
    pub fn new(session: &AuthenticatedSession, password: Secret<String>, client: ClientInfo) -> Self {
        Self { principal: session.principal, password, client }
    }

    /// Returns the credential if it is the user's and the password matches. The address may belong to another user by now.
    fn check(&self, credential: Option<Credential>) -> Result<Credential, AccountError> {
        let own = credential.filter(|credential| credential.user.id == self.principal.user_id);
        check_password(own, &self.password).map_err(|_| AccountError::WrongCurrentPassword)
    }
}
