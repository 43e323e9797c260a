//! Signing up.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use kernel::UserId;

use super::error::AccountError;
use super::settings;
use crate::domain::{AuditEventKind, AuditLog, AuditSubject, ClientInfo, Password, PasswordHash, PasswordPolicy, User};
use crate::store::{AccountTable, CreateUserOutcome};

#[derive(Debug)]
pub struct SignUp {
    pub accounts: AccountTable,
    pub password_policy: PasswordPolicy,
    pub audit_log: AuditLog,
}

#[derive(Debug)]
pub struct SignUpParams {
    pub email: Email,
    pub phone: Option<Phone>,
    pub password: Password,
    pub client: ClientInfo,
}

impl SignUp {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self {
            accounts: AccountTable::from_env(env, client)?,
            password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
            audit_log: settings::audit_log(env)?,
        })
    }

    /// Creates a user, in one round trip.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if the e-mail address or the phone number is in use.
    pub async fn sign_up(&self, params: SignUpParams) -> Result<User, AccountError> {
        let random = self.accounts.random();
        let hash = PasswordHash::new(&params.password, random)?;
        let now = self.accounts.now();
        let user = User::new(UserId::random(random), params.email, params.phone, now);
        let subject = AuditSubject::User(user.id);
        let event = self.audit_log.event(AuditEventKind::SignedUp, subject, &params.client, now, random);
        match self.accounts.create_user(&user, &hash, &event).await? {
            CreateUserOutcome::Created => Ok(user),
            CreateUserOutcome::IdentifierTaken(identifiers) => Err(AccountError::IdentifierTaken(identifiers)),
        }
    }
}
