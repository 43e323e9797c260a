//! Signing in: `POST /auth/signin` and `POST /api/auth/login`.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use futures_util::future::join;
use kernel::SystemRandom;
use kernel::{Clock, Random, Secret, SystemClock, Timestamp};

use crate::app::error::AccountError;
use crate::app::settings;
use crate::app::token_issuer::{TokenIssuer, TokenPair};
use crate::domain::throttle::{BURST, RateLimit};
use crate::domain::{
    AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, Lifetimes, Password, PasswordHash, Session, User,
    UserStatus,
};
use crate::store::{
    AccountTable, AppendAuditEvent, CountAttempt, CountedAttempt, Credential, FindCredential, LoadSigningKey,
    NewSession, SigningKeyTable, StartSession, StartSessionOutcome,
};

/// The maximum number of attempts while the user changes concurrently.
const MAX_ATTEMPTS: usize = 3;

#[derive(Debug)]
pub struct SignIn<S, L, R, C> {
    pub users: S,
    pub issuer: TokenIssuer<L>,
    pub lifetimes: Lifetimes,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

#[derive(Debug)]
pub struct Attempt {
    pub identifier: Identifier,
    /// As entered, whatever its length: the policy applies when a password is chosen.
    pub password: Secret<String>,
    pub caller: ClientInfo,
}

impl<S, L, R, C> SignIn<S, L, R, C>
where
    S: CountAttempt + FindCredential + StartSession + AppendAuditEvent,
    L: LoadSigningKey,
    R: Random,
    C: Clock,
{
    /// Starts a session, in two round trips. Returns the user and the tokens.
    /// The attempt is counted before the password is checked, in the round trip that loads the credential, so that concurrent
    /// guesses count like sequential ones. A rejected attempt also takes two round trips and one hash computation, whether or
    /// not the identifier exists.
    /// The credential holds a copy of the user that may be stale, so the session is started on the condition that it is
    /// current. If it is not, the password may have changed too, and everything is loaded and checked again.
    /// # Errors
    /// [`AccountError::InvalidCredentials`] for every reason to reject the credentials; [`AccountError::TooManyAttempts`] after
    /// too many failures.
    pub async fn sign_in(&self, attempt: &Attempt) -> Result<(User, TokenPair), AccountError> {
        let now = self.clock.now();
        let (key, counted) =
            join(self.issuer.signing_key.get(), self.users.count_attempt(&attempt.identifier, now)).await;
        key?;
        let (credential, attempts) = match counted? {
            RateLimit::Allowed(CountedAttempt { credential, attempts }) => (credential, attempts),
            RateLimit::Limited { retry_after } => return Err(AccountError::TooManyAttempts(retry_after)),
        };
        let whose = credential.as_ref().map(|credential| credential.user.id);
        let signed_in = self.with_credential(attempt, credential, now).await;
        if matches!(signed_in, Err(AccountError::InvalidCredentials)) {
            let subject =
                whose.map_or_else(|| self.audit_log.unknown_identifier(&attempt.identifier), AuditSubject::User);
            let kind = if attempts < BURST { AuditEventKind::SignInFailed } else { AuditEventKind::IdentifierLocked };
            let record = self.audit_log.event(kind, subject, &attempt.caller, now, &self.random);
            let record = record.with_detail(format!("attempt {attempts} by {}", attempt.identifier.kind().name()));
            self.users.append_audit_event(&record).await?;
        }
        signed_in
    }

    async fn with_credential(
        &self,
        attempt: &Attempt,
        mut credential: Option<Credential>,
        now: Timestamp,
    ) -> Result<(User, TokenPair), AccountError> {
        for _ in 0..MAX_ATTEMPTS {
            let Credential { user, password_hash } = check(credential, &attempt.password)?;
            if user.status != UserStatus::Active {
                return Err(AccountError::InvalidCredentials);
            }
            let new_hash = if password_hash.is_outdated() {
                let password = Password::existing(&attempt.password);
                Some(PasswordHash::new(&password, &self.random)?)
            } else {
                None
            };
            let user_agent = attempt.caller.user_agent.clone();
            let (session, refresh_token) = Session::start(&user, user_agent, self.lifetimes, now, &self.random);
            let subject = AuditSubject::User(user.id);
            let record = self.audit_log.event(AuditEventKind::SignedIn, subject, &attempt.caller, now, &self.random);
            let new = NewSession {
                user: &user,
                identifier: &attempt.identifier,
                new_hash: new_hash.as_ref(),
                session: &session,
                event: &record.in_session(session.id).with_detail(format!("by {}", attempt.identifier.kind().name())),
            };
            match self.users.start_session(new).await? {
                StartSessionOutcome::Started => {
                    let grant = self.issuer.grant(&user, &session, &refresh_token, now).await?;
                    return Ok((user, grant));
                }
                StartSessionOutcome::VersionConflict(Some(changed)) if changed.status == UserStatus::Active => {}
                StartSessionOutcome::StaleCredential => {}
                StartSessionOutcome::VersionConflict(_) => return Err(AccountError::InvalidCredentials),
            }
            credential = self.users.find_credential(&attempt.identifier).await?;
        }
        Err(AccountError::UserKeptChanging)
    }
}

/// Returns the credential if the password matches. Takes as long without a credential.
pub(crate) fn check(credential: Option<Credential>, password: &Secret<String>) -> Result<Credential, AccountError> {
    let hash = credential.as_ref().map_or_else(PasswordHash::dummy, |found| found.password_hash.clone());
    let matches = hash.matches(password);
    credential.filter(|_| matches).ok_or(AccountError::InvalidCredentials)
}

/// # Errors
/// [`ConfigError`] if a setting is missing.
pub async fn from_env(
    env: &Env,
    client: Client,
) -> Result<SignIn<AccountTable, SigningKeyTable, SystemRandom, SystemClock>, ConfigError> {
    Ok(SignIn {
        users: AccountTable::from_env(env, client.clone())?,
        issuer: TokenIssuer::from_env(env, client).await?,
        lifetimes: settings::lifetimes(env)?,
        audit_log: settings::audit_log(env)?,
        random: SystemRandom,
        clock: SystemClock,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contact::{Email, Phone};

    use super::*;
    use crate::app::cached_signing_key::CachedSigningKey;
    use crate::domain::{AuditEvent, hash_computations};
    use crate::testing::{Key, LIFETIMES, PASSWORD, ada, issuer, now, sign_in_of_ada, verifier};

    fn by(identifier: Identifier, password: &str) -> Attempt {
        Attempt { identifier, password: Secret::new(password.to_owned()), caller: ClientInfo::invocation("r-1") }
    }

    fn right() -> Attempt {
        by(Identifier::Email(ada().email), PASSWORD)
    }

    fn ada_is_now(status: UserStatus, epoch: u64, version: u64) -> StartSessionOutcome {
        StartSessionOutcome::VersionConflict(Some(Box::new(User { status, epoch, version, ..ada() })))
    }

    fn nobody() -> Identifier {
        Identifier::Email(Email::parse("bob@example.com").unwrap())
    }

    fn outdated_hash() -> PasswordHash {
        // PASSWORD with half the memory and a pass more.
        let stored = "$argon2id$v=19$m=9216,t=4,p=1$c29tZXNhbHRzb21lc2FsdA$CcopKA0VmqB2iA7hmj7LgX2vFql3N5fpiv/XY+jDSZg";
        PasswordHash::from_stored(stored).unwrap()
    }

    #[tokio::test]
    async fn the_tokens_are_of_the_session_that_was_started_for_whom_the_identifier_names() {
        for identifier in ada().identifiers() {
            let sign_in = sign_in_of_ada([]);
            let (user, grant) = sign_in.sign_in(&by(identifier, PASSWORD)).await.unwrap();
            assert_eq!(user, ada());
            let principal = verifier().verify(grant.access.token.expose()).await.unwrap();
            let started = sign_in.users.started.into_inner().unwrap();
            assert_eq!((principal.user_id, principal.session_id), (ada().id, started[0].1.id));
            assert_eq!(started[0].1.token_expires_at, now().plus(LIFETIMES.access_token));
            let refresh = crate::domain::RefreshToken::parse(grant.refresh_token.expose()).unwrap();
            assert_eq!(refresh.hash(), started[0].1.refresh_hash);
            assert_eq!((grant.access.expires_in, grant.refresh_expires_in), (LIFETIMES.access_token, LIFETIMES.idle));
        }
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_identifier_are_one_error_and_start_nothing() {
        let sign_in = sign_in_of_ada([]);
        for attempt in [
            by(Identifier::Email(ada().email), "wrong"),
            by(nobody(), PASSWORD),
            by(Identifier::Phone(Phone::parse("+33600000000").unwrap()), PASSWORD),
        ] {
            assert!(matches!(sign_in.sign_in(&attempt).await, Err(AccountError::InvalidCredentials)));
        }
        assert!(sign_in.users.started.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_is_refused_costs_one_hash_and_one_record_whether_they_exist_or_may_act() {
        let suspended = User { status: UserStatus::Suspended, ..ada() };
        for (known, attempt) in [
            (Some(ada()), by(Identifier::Email(ada().email), "wrong")),
            (Some(suspended.clone()), right()),
            (Some(suspended), by(Identifier::Email(ada().email), "wrong")),
            (None, right()),
        ] {
            let mut sign_in = sign_in_of_ada([]);
            sign_in.users.known = known.clone();
            let before = hash_computations();
            assert!(matches!(sign_in.sign_in(&attempt).await, Err(AccountError::InvalidCredentials)));
            assert_eq!(hash_computations() - before, 1);
            let recorded = sign_in.users.recorded.into_inner().unwrap();
            let [AuditEvent { kind: AuditEventKind::SignInFailed, subject, request_id, .. }] = recorded.as_slice()
            else {
                panic!("{recorded:?}")
            };
            assert_eq!(request_id, "r-1");
            assert_eq!(subject == &AuditSubject::User(ada().id), known.is_some());
        }
    }

    #[tokio::test]
    async fn while_an_identifier_waits_no_password_is_looked_at() {
        let mut sign_in = sign_in_of_ada([]);
        sign_in.users.locked = Some(Duration::from_secs(8));
        let before = hash_computations();
        let Err(AccountError::TooManyAttempts(wait)) = sign_in.sign_in(&right()).await else { panic!() };
        assert_eq!((wait, hash_computations() - before), (Duration::from_secs(8), 0));
        assert!(sign_in.users.recorded.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_failure_that_locks_an_identifier_is_written_down_as_that() {
        for (attempts, kind) in [(3, AuditEventKind::SignInFailed), (4, AuditEventKind::IdentifierLocked)] {
            let mut sign_in = sign_in_of_ada([]);
            sign_in.users.attempts = attempts;
            assert!(sign_in.sign_in(&by(nobody(), PASSWORD)).await.is_err());
            assert_eq!(sign_in.users.recorded.into_inner().unwrap()[0].kind, kind);
        }
    }

    #[tokio::test]
    async fn a_suspended_or_deleted_person_gets_that_same_error() {
        for outcome in [ada_is_now(UserStatus::Suspended, 0, 2), StartSessionOutcome::VersionConflict(None)] {
            let outcome = sign_in_of_ada([outcome]).sign_in(&right()).await;
            assert!(matches!(outcome, Err(AccountError::InvalidCredentials)));
        }
    }

    #[tokio::test]
    async fn a_person_who_has_changed_signs_in_as_they_are_now() {
        let sign_in = sign_in_of_ada([ada_is_now(UserStatus::Active, 5, 9)]);
        let (_, grant) = sign_in.sign_in(&right()).await.unwrap();
        let started = sign_in.users.started.into_inner().unwrap();
        let versions: Vec<_> = started.iter().map(|(user, session)| (user.version, session.epoch)).collect();
        assert_eq!(versions, [(1, 0), (9, 5)]);
        assert_eq!(verifier().verify(grant.access.token.expose()).await.unwrap().epoch, 5);
    }

    #[tokio::test]
    async fn a_copy_that_is_behind_is_read_again_and_checked_again() {
        let sign_in = sign_in_of_ada([StartSessionOutcome::StaleCredential]);
        assert!(sign_in.sign_in(&right()).await.is_ok());
        let mut changed = sign_in_of_ada([StartSessionOutcome::StaleCredential]);
        changed.users.password_changes_after = Some(1);
        assert!(matches!(changed.sign_in(&right()).await, Err(AccountError::InvalidCredentials)));
    }

    #[tokio::test]
    async fn a_password_that_changed_during_the_sign_in_is_no_longer_good() {
        let mut sign_in = sign_in_of_ada([ada_is_now(UserStatus::Active, 1, 2)]);
        sign_in.users.password_changes_after = Some(1);
        assert!(matches!(sign_in.sign_in(&right()).await, Err(AccountError::InvalidCredentials)));
    }

    #[tokio::test]
    async fn a_hash_by_other_parameters_is_made_anew_once_the_password_is_known() {
        let mut sign_in = sign_in_of_ada([]);
        sign_in.users.hash = Some(outdated_hash());
        assert!(sign_in.sign_in(&by(Identifier::Email(ada().email), "wrong")).await.is_err());
        assert!(sign_in.users.upgraded.lock().unwrap().is_empty());

        sign_in.sign_in(&right()).await.unwrap();
        let upgraded = sign_in.users.upgraded.into_inner().unwrap();
        assert!(upgraded[0].matches(&right().password) && !upgraded[0].is_outdated());
        let today = sign_in_of_ada([]);
        today.sign_in(&right()).await.unwrap();
        assert!(today.users.upgraded.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn without_a_key_nobody_signs_in_and_one_who_keeps_changing_is_given_up() {
        let issuer = TokenIssuer { signing_key: CachedSigningKey::new(Key(None)), ..issuer() };
        let keyless = SignIn { issuer, ..sign_in_of_ada([]) };
        assert!(matches!(keyless.sign_in(&right()).await, Err(AccountError::NoSigningKey)));
        let restless =
            sign_in_of_ada((2..).map(|version| ada_is_now(UserStatus::Active, 0, version)).take(MAX_ATTEMPTS));
        assert!(matches!(restless.sign_in(&right()).await, Err(AccountError::UserKeptChanging)));
    }
}
