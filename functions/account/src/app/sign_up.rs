//! Signing up.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use futures_util::future::try_join_all;
use kernel::UserId;

use super::error::AccountError;
use super::settings;
use crate::domain::throttle::RateLimit;
use crate::domain::{
    AuditEventKind, AuditLog, AuditSubject, ClientInfo, IdentifierKind, Password, PasswordHash, PasswordPolicy, User,
};
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

    /// Creates a user, in one round trip. A sign-up with a taken identifier is counted in a second one: those with the same
    /// identifier are slowed down, separately from its sign-ins.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if the e-mail address or the phone number is in use;
    /// [`AccountError::TooManyAttempts`] after too many sign-ups with it.
    pub async fn sign_up(&self, params: SignUpParams) -> Result<User, AccountError> {
        let random = self.accounts.random();
        let hash = PasswordHash::new(&params.password, random)?;
        let now = self.accounts.now();
        let user = User::new(UserId::random(random), params.email, params.phone, now);
        let subject = AuditSubject::User(user.id);
        let event = self.audit_log.event(AuditEventKind::SignedUp, subject, &params.client, now, random);
        match self.accounts.create_user(&user, &hash, &event).await? {
            CreateUserOutcome::Created => Ok(user),
            CreateUserOutcome::IdentifierTaken(taken) => Err(self.count_taken(&user, taken).await?),
        }
    }

    /// Counts the sign-up for each taken identifier. Returns the error that reports them, unless one has to wait.
    async fn count_taken(&self, user: &User, taken: Vec<IdentifierKind>) -> Result<AccountError, AccountError> {
        let now = self.accounts.now();
        let identifiers: Vec<_> = taken.iter().filter_map(|kind| user.identifier(*kind)).collect();
        let counts = identifiers.iter().map(|identifier| self.accounts.count_taken_sign_up(identifier, now));
        let wait = try_join_all(counts).await?.into_iter().filter_map(|limit| match limit {
            RateLimit::Limited { retry_after } => Some(retry_after),
            RateLimit::Allowed(()) | RateLimit::Undecided => None,
        });
        Ok(wait.max().map_or(AccountError::IdentifierTaken(taken), AccountError::TooManyAttempts))
    }
}
