//! Signing in: what `POST /auth/signin` and `POST /api/auth/login` do.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use kernel::{Clock, Random, Secret, SystemClock};
use runtime::{ConfigError, Env, SystemRandom};

use crate::current_key::CurrentKey;
use crate::domain::{AccessTokens, Identifier, PasswordHash, Person, PersonStatus, Session};
use crate::error::AccountError;
use crate::store::{AccountTable, FindCredential, LoadSigningKey, SigningKeyTable, StartSession, Started};

/// How often a sign-in begins anew because the person changed under it.
const ATTEMPTS: usize = 3;

/// Signs people in.
#[derive(Debug)]
pub struct SignIn<S, L, R, C> {
    /// Where credentials are found and sessions are started.
    pub people: S,
    /// What tokens are signed with.
    pub signing_key: CurrentKey<L>,
    /// Issues the tokens.
    pub tokens: AccessTokens,
    /// For the session's id.
    pub random: R,
    /// For the time of the sign-in.
    pub clock: C,
}

/// An attempt to sign in.
#[derive(Debug)]
pub struct Attempt {
    /// Who it is said to be.
    pub identifier: Identifier,
    /// As it was typed: how long it must be was asked when it was chosen.
    pub password: Secret<String>,
}

impl<S, L, R, C> SignIn<S, L, R, C>
where
    S: FindCredential + StartSession,
    L: LoadSigningKey,
    R: Random,
    C: Clock,
{
    /// Starts a session, in two round trips to the table: who signed in, and an access token that says so.
    ///
    /// The credential's copy of the person may be behind, so the session is started on the condition that it is not. If
    /// it is, the answer says how the person is now; but then the password may have changed too, and all is checked anew.
    ///
    /// # Errors
    ///
    /// [`AccountError::InvalidCredentials`], whatever the cause, unless it is on our side.
    pub async fn sign_in(&self, attempt: &Attempt) -> Result<(Person, Secret<String>), AccountError> {
        let key = self.signing_key.get().await?;
        let mut newer: Option<Person> = None;
        for _ in 0..ATTEMPTS {
            let copy = self.check(attempt).await?;
            let person =
                newer.take().filter(|newer| newer.id == copy.id && newer.version > copy.version).unwrap_or(copy);
            let now = self.clock.now();
            let session = Session::start(&self.random, now, self.tokens.lifetime());
            match self.people.start_session(&person, &session).await? {
                Started::Yes => {
                    let token = self.tokens.issue(&key, &person, session.id, now)?;
                    return Ok((person, token));
                }
                Started::PersonIsNow(Some(changed)) if changed.status == PersonStatus::Active => newer = Some(*changed),
                Started::PersonIsNow(_) => return Err(AccountError::InvalidCredentials),
            }
        }
        Err(AccountError::PersonKeptChanging)
    }

    /// Whose identifier and password these are. It takes as long for an identifier that nobody has.
    async fn check(&self, attempt: &Attempt) -> Result<Person, AccountError> {
        let credential = self.people.find_credential(&attempt.identifier).await?;
        let hash = credential.as_ref().map_or_else(PasswordHash::of_nobody, |found| found.password_hash.clone());
        let matches = hash.matches(&attempt.password);
        credential.filter(|_| matches).map(|found| found.person).ok_or(AccountError::InvalidCredentials)
    }
}

/// Signs people in by the account table, as the function's environment says. The key that signs is loaded here, and with
/// it the connection is open before the first request comes.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub async fn from_env(
    env: &Env,
    client: Client,
) -> Result<SignIn<AccountTable<SystemRandom>, SigningKeyTable, SystemRandom, SystemClock>, ConfigError> {
    let lifetime = Duration::from_secs(env.parsed("ACCESS_TOKEN_SECONDS")?);
    let signing_key = CurrentKey::new(SigningKeyTable::new(client.clone(), env.required("SIGNING_KEY_TABLE")?));
    signing_key.warm_up().await;
    Ok(SignIn {
        people: AccountTable::new(client, env.required("ACCOUNT_TABLE")?, SystemRandom),
        signing_key,
        tokens: AccessTokens::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, lifetime),
        random: SystemRandom,
        clock: SystemClock,
    })
}

#[cfg(test)]
mod tests {
    use contact::{Email, Phone};

    use super::*;
    use crate::testing::{Key, PASSWORD, ada, now, sign_in_of_ada, verifier};

    fn by(identifier: Identifier, password: &str) -> Attempt {
        Attempt { identifier, password: Secret::new(password.to_owned()) }
    }

    fn right() -> Attempt {
        by(Identifier::Email(ada().email), PASSWORD)
    }

    fn ada_is_now(status: PersonStatus, epoch: u64, version: u64) -> Started {
        Started::PersonIsNow(Some(Box::new(Person { status, epoch, version, ..ada() })))
    }

    #[tokio::test]
    async fn the_token_is_of_the_session_that_was_started_for_whom_the_identifier_names() {
        for identifier in ada().identifiers() {
            let sign_in = sign_in_of_ada([]);
            let (person, token) = sign_in.sign_in(&by(identifier, PASSWORD)).await.unwrap();
            assert_eq!(person, ada());
            let principal = verifier().verify(token.expose()).await.unwrap();
            let started = sign_in.people.started.into_inner().unwrap();
            assert_eq!((principal.user_id, principal.session_id), (ada().id, started[0].1.id));
            assert_eq!(started[0].1.expires_at, now().plus(Duration::from_mins(15)));
        }
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_identifier_are_one_error_and_start_nothing() {
        let sign_in = sign_in_of_ada([]);
        for attempt in [
            by(Identifier::Email(ada().email), "wrong"),
            by(Identifier::Email(Email::parse("bob@example.com").unwrap()), PASSWORD),
            by(Identifier::Phone(Phone::parse("+33600000000").unwrap()), PASSWORD),
        ] {
            assert!(matches!(sign_in.sign_in(&attempt).await, Err(AccountError::InvalidCredentials)));
        }
        assert!(sign_in.people.started.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_suspended_or_deleted_person_gets_that_same_error() {
        for outcome in [ada_is_now(PersonStatus::Suspended, 0, 2), Started::PersonIsNow(None)] {
            let outcome = sign_in_of_ada([outcome]).sign_in(&right()).await;
            assert!(matches!(outcome, Err(AccountError::InvalidCredentials)));
        }
    }

    #[tokio::test]
    async fn a_person_who_has_changed_signs_in_as_they_are_now() {
        let sign_in = sign_in_of_ada([ada_is_now(PersonStatus::Active, 5, 9)]);
        let (_, token) = sign_in.sign_in(&right()).await.unwrap();
        let started = sign_in.people.started.into_inner().unwrap();
        let versions: Vec<_> = started.iter().map(|(person, _)| person.version).collect();
        assert_eq!(versions, [1, 9]);
        assert_eq!(verifier().verify(token.expose()).await.unwrap().epoch, 5);
    }

    #[tokio::test]
    async fn a_password_that_changed_during_the_sign_in_is_no_longer_good() {
        let mut sign_in = sign_in_of_ada([ada_is_now(PersonStatus::Active, 1, 2)]);
        sign_in.people.password_changes_after = Some(1);
        assert!(matches!(sign_in.sign_in(&right()).await, Err(AccountError::InvalidCredentials)));
    }

    #[tokio::test]
    async fn without_a_key_nobody_signs_in_and_one_who_keeps_changing_is_given_up() {
        let keyless = SignIn { signing_key: CurrentKey::new(Key(None)), ..sign_in_of_ada([]) };
        assert!(matches!(keyless.sign_in(&right()).await, Err(AccountError::NoSigningKey)));
        let restless = sign_in_of_ada((2..).map(|version| ada_is_now(PersonStatus::Active, 0, version)).take(ATTEMPTS));
        assert!(matches!(restless.sign_in(&right()).await, Err(AccountError::PersonKeptChanging)));
    }
}
