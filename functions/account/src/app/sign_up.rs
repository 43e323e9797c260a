//! Signing up: what `POST /auth/signup` and `POST /api/auth/register` do.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use kernel::SystemRandom;
use kernel::{Clock, Random, SystemClock, UserId};

use crate::app::error::AccountError;
use crate::app::settings;
use crate::domain::{AuditEventKind, AuditLog, AuditSubject, ClientInfo, Password, PasswordHash, PasswordPolicy, User};
use crate::store::{AccountTable, CreateUser, CreateUserOutcome};

/// Signs people up.
#[derive(Debug)]
pub struct SignUp<S, R, C> {
    /// Where people are created.
    pub users: S,
    /// What is asked of a password.
    pub password_policy: PasswordPolicy,
    /// Writes it down.
    pub audit_log: AuditLog,
    /// For the person's id and the hash's salt.
    pub random: R,
    /// For the time of the sign-up.
    pub clock: C,
}

/// Somebody who wants to be a person here.
#[derive(Debug)]
pub struct SignUpParams {
    /// What they sign in by.
    pub email: Email,
    /// What else they sign in by, if they like.
    pub phone: Option<Phone>,
    /// What they chose.
    pub password: Password,
    /// Who they are, as far as the request tells.
    pub caller: ClientInfo,
}

impl<S: CreateUser, R: Random, C: Clock> SignUp<S, R, C> {
    /// Creates the person, in one round trip to the table.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if the e-mail address or the phone number is somebody's.
    pub async fn sign_up(&self, newcomer: SignUpParams) -> Result<User, AccountError> {
        let hash = PasswordHash::new(&newcomer.password, &self.random)?;
        let now = self.clock.now();
        let user = User::new(UserId::random(&self.random), newcomer.email, newcomer.phone, now);
        let subject = AuditSubject::User(user.id);
        let record = self.audit_log.event(AuditEventKind::SignedUp, subject, &newcomer.caller, now, &self.random);
        match self.users.create_user(&user, &hash, &record).await? {
            CreateUserOutcome::Created => Ok(user),
            CreateUserOutcome::IdentifierTaken(identifiers) => Err(AccountError::IdentifierTaken(identifiers)),
        }
    }
}

/// Signs people up in the account table, as the function's environment says.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn from_env(env: &Env, client: Client) -> Result<SignUp<AccountTable, SystemRandom, SystemClock>, ConfigError> {
    Ok(SignUp {
        users: AccountTable::from_env(env, client)?,
        password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
        audit_log: settings::audit_log(env)?,
        random: SystemRandom,
        clock: SystemClock,
    })
}
