//! Changing oneself: what `POST /auth/password` and `PATCH /auth/me` have in common. Whoever is signed in shows once more
//! that they know their password, for a token alone may be stolen.

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

/// How often a change begins anew because the person changed under it.
const MAX_ATTEMPTS: usize = 3;

/// Changes people who know their password.
#[derive(Debug)]
pub struct Reauthenticate<S, R, C> {
    /// Where they are found and changed.
    pub users: S,
    /// Writes down what came of it.
    pub audit_log: AuditLog,
    /// For the records' ids.
    pub random: R,
    /// For the time of the change.
    pub clock: C,
}

/// Whoever is signed in and asks for a change.
#[derive(Debug)]
pub struct ReauthRequest {
    /// As their token says.
    pub principal: Principal,
    /// The password that they have, as it was typed.
    pub password: Secret<String>,
    /// Who they are, as far as the request tells.
    pub caller: ClientInfo,
}

/// Whoever has shown that they know their password, as they were found.
#[derive(Debug)]
pub struct ReauthenticatedUser {
    found: UserSession,
    credential: Credential,
}

/// What a change makes of somebody.
#[derive(Debug)]
pub struct PlannedUpdate {
    /// The person, in their next version.
    pub user: User,
    /// The hash of their password, if it is another.
    pub new_hash: Option<PasswordHash>,
    /// Their session, if it goes on although all others end.
    pub retained_session: Option<Session>,
    /// What is changed, for the trail.
    pub kind: AuditEventKind,
    /// What else the trail is told.
    pub detail: Option<&'static str>,
}

impl<S, R, C> Reauthenticate<S, R, C>
where
    S: CountReauthentication + FindCredential + FindSession + UpdateUser + AppendAuditEvent,
    R: Random,
    C: Clock,
{
    /// Checks the password of whoever was found to be signed in. Their attempts are counted: otherwise a stolen token
    /// would be good for any number of guesses. But not among the attempts to sign in, which anybody may make: an outsider
    /// must not be able to keep the owner from another password.
    ///
    /// # Errors
    ///
    /// [`AccountError::InvalidCredentials`] if it is not theirs; [`AccountError::TooManyAttempts`] if they have to wait.
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

    /// Makes of them what is planned, if anything is, and forgets the attempts that failed. Should they change under it,
    /// the plan is made anew, but only for as long as their token and their password are good. What is refused because
    /// somebody else has it leaves the attempt counted: nobody learns in bulk from it who has an account.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if somebody else has what they want; [`AccountError::Revoked`] or
    /// [`AccountError::InvalidCredentials`] if what they showed is good no more.
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
            // All that they had may have been revoked: then nothing of it is to be carried on.
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
    /// The credential, if it is theirs and they know its password. Their address may be somebody else's by now.
    fn check(&self, credential: Option<Credential>) -> Result<Credential, AccountError> {
        check(credential.filter(|credential| credential.user.id == self.principal.user_id), &self.password)
    }
}

/// Changes people in the account table, as the function's environment says.
///
/// # Errors
///
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
