//! Signing up: what `POST /auth/signup` and `POST /api/auth/register` do.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use kernel::SystemRandom;
use kernel::{Clock, Random, SystemClock, UserId};

use crate::domain::{AuditKind, AuditSubject, AuditTrail, Caller, Password, PasswordHash, PasswordPolicy, Person};
use crate::error::AccountError;
use crate::settings;
use crate::store::{AccountTable, CreatePerson, Created};

/// Signs people up.
#[derive(Debug)]
pub struct SignUp<S, R, C> {
    /// Where people are created.
    pub people: S,
    /// What is asked of a password.
    pub password_policy: PasswordPolicy,
    /// Writes it down.
    pub trail: AuditTrail,
    /// For the person's id and the hash's salt.
    pub random: R,
    /// For the time of the sign-up.
    pub clock: C,
}

/// Somebody who wants to be a person here.
#[derive(Debug)]
pub struct Newcomer {
    /// What they sign in by.
    pub email: Email,
    /// What else they sign in by, if they like.
    pub phone: Option<Phone>,
    /// What they chose.
    pub password: Password,
    /// Who they are, as far as the request tells.
    pub caller: Caller,
}

impl<S: CreatePerson, R: Random, C: Clock> SignUp<S, R, C> {
    /// Creates the person, in one round trip to the table.
    ///
    /// # Errors
    ///
    /// [`AccountError::IdentifierTaken`] if the e-mail address or the phone number is somebody's.
    pub async fn sign_up(&self, newcomer: Newcomer) -> Result<Person, AccountError> {
        let hash = PasswordHash::of(&newcomer.password, &self.random)?;
        let now = self.clock.now();
        let person = Person::new(UserId::random(&self.random), newcomer.email, newcomer.phone, now);
        let subject = AuditSubject::Person(person.id);
        let record = self.trail.record(AuditKind::SignedUp, subject, &newcomer.caller, now, &self.random);
        match self.people.create_person(&person, &hash, &record).await? {
            Created::Yes => Ok(person),
            Created::Taken(identifiers) => Err(AccountError::IdentifierTaken(identifiers)),
        }
    }
}

/// Signs people up in the account table, as the function's environment says.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn from_env(
    env: &Env,
    client: Client,
) -> Result<SignUp<AccountTable<SystemRandom>, SystemRandom, SystemClock>, ConfigError> {
    Ok(SignUp {
        people: AccountTable::from_env(env, client)?,
        password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
        trail: settings::audit_trail(env)?,
        random: SystemRandom,
        clock: SystemClock,
    })
}
