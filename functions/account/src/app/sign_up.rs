//! Signing up: `POST /auth/signup` and `POST /api/auth/register`.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use kernel::SystemRandom;
use kernel::{Clock, Random, SystemClock, UserId};

use crate::app::error::AccountError;
use crate::app::settings;
use crate::domain::{AuditEventKind, AuditLog, AuditSubject, ClientInfo, Password, PasswordHash, PasswordPolicy, User};
use crate::store::{AccountTable, CreateUser, CreateUserOutcome};

#[derive(Debug)]
pub struct SignUp<S, R, C> {
    pub users: S,
    pub password_policy: PasswordPolicy,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

#[derive(Debug)]
pub struct SignUpParams {
    pub email: Email,
    pub phone: Option<Phone>,
    pub password: Password,
    pub caller: ClientInfo,
}

impl<S: CreateUser, R: Random, C: Clock> SignUp<S, R, C> {
    /// Creates a user, in one round trip.
    /// # Errors
    /// [`AccountError::IdentifierTaken`] if the e-mail address or the phone number is in use.
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

/// # Errors
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
