//! Reauthentication before a change of credentials: `POST /auth/password` and `PATCH /auth/me` require the current password,
//! since a token alone may be stolen.

use auth::Principal;
use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use futures_util::future::join;
use kernel::SystemRandom;
use kernel::{Clock, Random, Secret, SystemClock, Timestamp};

use crate::app::error::AccountError;
use crate::app::settings;
use crate::app::sign_in::check;
use crate::domain::throttle::RateLimit;
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, PasswordHash, Revoked, Session, User,
    UserSession,
};
use crate::store::{
    AccountTable, AppendAuditEvent, CountReauthentication, Credential, FindCredential, FindSession, UpdateOutcome,
    UpdateUser, UserUpdate,
};

/// The maximum number of attempts while the user changes concurrently.
const MAX_ATTEMPTS: usize = 3;

/// Updates users who know their password.
#[derive(Debug)]
pub struct Reauthenticate<S, R, C> {
    pub users: S,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

/// A signed-in user's request for a change.
#[derive(Debug)]
pub struct ReauthRequest {
    pub principal: Principal,
    /// The current password, as entered.
    pub password: Secret<String>,
    pub caller: ClientInfo,
}

/// A user who entered the correct password, as last loaded.
#[derive(Debug)]
pub struct ReauthenticatedUser {
    found: UserSession,
    credential: Credential,
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

impl<S, R, C> Reauthenticate<S, R, C>
where
    S: CountReauthentication + FindCredential + FindSession + UpdateUser + AppendAuditEvent,
    R: Random,
    C: Clock,
{
    /// Checks the current password. Attempts are counted, since a stolen token would otherwise allow any number of guesses, but
    /// apart from sign-ins: strangers must not be able to lock the owner out of a password change.
    /// # Errors
    /// [`AccountError::InvalidCredentials`] if the password is wrong; [`AccountError::TooManyAttempts`] after too many failures.
    pub async fn verify_password(
        &self,
        asker: &ReauthRequest,
        found: UserSession,
    ) -> Result<ReauthenticatedUser, AccountError> {
        let now = self.clock.now();
        let email = Identifier::Email(found.user.email.clone());
        let counted = self.users.count_reauthentication(found.user.id, now);
        let (counted, credential) = join(counted, self.users.find_credential(&email)).await;
        let attempts = match counted? {
            RateLimit::Allowed(attempts) => attempts,
            RateLimit::Limited { retry_after } => return Err(AccountError::TooManyAttempts(retry_after)),
        };
        let checked = asker.check(credential?);
        if matches!(checked, Err(AccountError::InvalidCredentials)) {
            let record = self.record(AuditEventKind::ReauthenticationFailed, asker, now);
            let record = record.with_detail(format!("attempt {attempts}"));
            self.users.append_audit_event(&record).await?;
        }
        checked.map(|credential| ReauthenticatedUser { found, credential })
    }

    /// Applies the planned update, if there is one, and resets the failed attempts. On a concurrent update the plan is made
    /// again, as long as token and password are still valid. If an identifier is taken, the attempt stays counted, so that
    /// accounts cannot be enumerated in bulk.
    /// # Errors
    /// [`AccountError::IdentifierTaken`] if an identifier is in use; [`AccountError::Revoked`] or
    /// [`AccountError::InvalidCredentials`] if the token or the password is no longer valid.
    pub async fn change(
        &self,
        asker: &ReauthRequest,
        proven: ReauthenticatedUser,
        plan: impl Fn(&UserSession, Timestamp) -> Option<PlannedUpdate> + Sync,
    ) -> Result<UserSession, AccountError> {
        let ReauthenticatedUser { mut found, mut credential } = proven;
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let Some(PlannedUpdate { user, new_hash, retained_session, kind, detail }) = plan(&found, now) else {
                return Ok(found);
            };
            let record = self.record(kind, asker, now);
            let change = UserUpdate {
                before: &found.user,
                after: &user,
                password_hash: Some(new_hash.as_ref().unwrap_or(&credential.password_hash)),
                reset_failed_attempts: true,
                retained_session: retained_session.as_ref(),
                event: &detail.into_iter().fold(record, AuditEvent::with_detail),
            };
            match self.users.update_user(change).await? {
                UpdateOutcome::Updated => {
                    return Ok(UserSession { user, session: retained_session.unwrap_or(found.session) });
                }
                UpdateOutcome::IdentifierTaken(identifiers) => return Err(AccountError::IdentifierTaken(identifiers)),
                UpdateOutcome::VersionConflict(_) | UpdateOutcome::SessionConflict => {}
            }
            let Principal { user_id, session_id, epoch, .. } = asker.principal;
            found = self.users.find_session(user_id, session_id).await?.ok_or(Revoked::SessionNotFound)?;
            // Everything may have been revoked meanwhile; then no session may be retained.
            found.authorize(epoch, self.clock.now())?;
            let email = Identifier::Email(found.user.email.clone());
            credential = asker.check(self.users.find_credential(&email).await?)?;
        }
        Err(AccountError::UserKeptChanging)
    }

    fn record(&self, kind: AuditEventKind, asker: &ReauthRequest, now: Timestamp) -> AuditEvent {
        let subject = AuditSubject::User(asker.principal.user_id);
        self.audit_log.event(kind, subject, &asker.caller, now, &self.random).in_session(asker.principal.session_id)
    }
}

impl ReauthRequest {
    /// Returns the credential if it is the user's and the password matches. The address may belong to another user by now.
    fn check(&self, credential: Option<Credential>) -> Result<Credential, AccountError> {
        check(credential.filter(|credential| credential.user.id == self.principal.user_id), &self.password)
    }
}

/// # Errors
/// [`ConfigError`] if a setting is missing.
pub fn from_env(
    env: &Env,
    client: Client,
) -> Result<Reauthenticate<AccountTable, SystemRandom, SystemClock>, ConfigError> {
    Ok(Reauthenticate {
        users: AccountTable::from_env(env, client)?,
        audit_log: settings::audit_log(env)?,
        random: SystemRandom,
        clock: SystemClock,
    })
}
