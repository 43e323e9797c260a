//! Signing in.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use futures_util::future::{join, join_all, try_join};
use kernel::{Secret, Timestamp};

use super::admission::admit;
use super::error::AccountError;
use super::settings;
use super::token_issuer::{TokenIssuer, TokenPair};
use crate::domain::throttle::BURST;
use crate::domain::{
    AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, Lifetimes, Password, PasswordHash, Session, User,
    UserStatus, excess_sessions,
};
use crate::store::{AccountTable, Credential, NewSession, SessionPage, SignInAttempt, StartSessionOutcome, StoreError};

/// The maximum number of attempts while the user changes concurrently.
const MAX_ATTEMPTS: usize = 3;

/// The number of sessions, the last started ones, that a sign-in considers. An older one that is still in use is not counted.
const COUNTED_SESSIONS: u8 = 100;

/// The maximum number of sessions that a sign-in ends, all at once. Further ones are left to the next sign-in. More than a
/// few at a time would revoke the tokens of the user's other sessions in the payment context.
const MAX_ENDED: usize = 4;

pub struct SignIn {
    pub accounts: AccountTable,
    pub issuer: TokenIssuer,
    pub lifetimes: Lifetimes,
    /// The maximum number of active sessions of a user. A sign-in beyond it ends those that are idle for longest.
    pub max_sessions: usize,
    pub audit_log: AuditLog,
}

#[derive(Debug)]
pub struct SignInRequest {
    pub identifier: Identifier,
    /// As entered, whatever its length: the policy applies when a password is chosen.
    pub password: Secret<String>,
    pub client: ClientInfo,
}

impl SignIn {
    /// Loads the signing key, which also opens the connection.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub async fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self {
            accounts: AccountTable::from_env(env, client.clone())?,
            issuer: TokenIssuer::from_env(env, client).await?,
            lifetimes: settings::lifetimes(env)?,
            max_sessions: env.parsed("MAX_SESSIONS_PER_USER")?,
            audit_log: settings::audit_log(env)?,
        })
    }

    /// Starts a session, in two round trips. Returns the user and the tokens.
    /// The attempt is counted before the password is checked, in the round trip that loads the credential, so that concurrent
    /// guesses count like sequential ones. If only attempts in flight are in the way, it is counted again after a pause. A
    /// rejected attempt also takes two round trips and one hash computation, whether or not the identifier exists.
    /// The credential holds a copy of the user that may be stale, so the session is started on the condition that it is
    /// current. If it is not, the password may have changed too, and everything is checked again.
    /// The user's sessions are read in the same round trip in which the session starts. If there are too many, a third one
    /// ends those that are idle for longest.
    ///
    /// # Errors
    ///
    /// [`AccountError::InvalidCredentials`] for every reason to reject the credentials; [`AccountError::TooManyAttempts`] after
    /// too many failures; [`AccountError::AttemptsInProgress`] if other attempts take too long.
    pub async fn sign_in(&self, request: &SignInRequest) -> Result<(User, TokenPair), AccountError> {
        let counted = admit(&self.accounts, |now| self.accounts.count_attempt(&request.identifier, now));
        let (key, counted) = join(self.issuer.signing_key.get(), counted).await;
        key?;
        let SignInAttempt { credential, counted } = counted?;
        let now = self.accounts.now();
        let user_id = credential.as_ref().map(|credential| credential.user.id);
        let outcome = self.with_credential(request, credential, now).await;
        if matches!(outcome, Err(AccountError::InvalidCredentials)) {
            let subject =
                user_id.map_or_else(|| self.audit_log.unknown_identifier(&request.identifier), AuditSubject::User);
            let attempt = counted.number;
            let kind = if attempt < BURST { AuditEventKind::SignInFailed } else { AuditEventKind::IdentifierLocked };
            let event = self.audit_log.event(kind, subject, &request.client, now, self.accounts.random());
            let event = event.with_detail(format!("attempt {attempt} by {}", request.identifier.kind().name()));
            let settled = self.accounts.settle_attempt(&request.identifier, &counted);
            try_join(self.accounts.append_audit_event(&event), settled).await?;
        }
        outcome
    }

    async fn with_credential(
        &self,
        request: &SignInRequest,
        mut credential: Option<Credential>,
        now: Timestamp,
    ) -> Result<(User, TokenPair), AccountError> {
        for _ in 0..MAX_ATTEMPTS {
            let Credential { user, password_hash } = check_password(credential, &request.password)?;
            if user.status != UserStatus::Active {
                return Err(AccountError::InvalidCredentials);
            }
            let new_hash = if password_hash.is_outdated() {
                let password = Password::existing(&request.password);
                Some(PasswordHash::new(&password, self.accounts.random())?)
            } else {
                None
            };
            let user_agent = request.client.user_agent.clone();
            let (session, refresh_token) =
                Session::start(&user, user_agent, self.lifetimes, now, self.accounts.random());
            let subject = AuditSubject::User(user.id);
            let event =
                self.audit_log.event(AuditEventKind::SignedIn, subject, &request.client, now, self.accounts.random());
            let new = NewSession {
                user: &user,
                identifier: &request.identifier,
                new_hash: new_hash.as_ref(),
                session: &session,
                event: &event.in_session(session.id).with_detail(format!("by {}", request.identifier.kind().name())),
            };
            let newest = self.accounts.list_sessions(user.id, None, COUNTED_SESSIONS);
            let (started, newest) = join(self.accounts.start_session(new), newest).await;
            match started? {
                StartSessionOutcome::Started => {
                    self.end_excess(&user, &session, newest, &request.client).await;
                    let tokens = self.issuer.issue(&user, &session, &refresh_token, now).await?;
                    return Ok((user, tokens));
                }
                StartSessionOutcome::CredentialChanged(changed) => credential = changed.map(|changed| *changed),
            }
        }
        Err(AccountError::UserKeptChanging)
    }

    /// Ends sessions until the user has no more than the maximum. The user is signed in already, so a failure is left to the
    /// next sign-in.
    async fn end_excess(
        &self,
        user: &User,
        started: &Session,
        newest: Result<SessionPage, StoreError>,
        client: &ClientInfo,
    ) {
        let sessions = match newest {
            Ok(page) => page.sessions,
            Err(error) => return tracing::warn!(%error, "the sessions of a user were not counted"),
        };
        let now = self.accounts.now();
        let excess = excess_sessions(&sessions, user, started, self.max_sessions, now);
        let ends = excess.into_iter().take(MAX_ENDED).map(async |session| {
            let subject = AuditSubject::User(user.id);
            let event =
                self.audit_log.event(AuditEventKind::SessionEnded, subject, client, now, self.accounts.random());
            let event = event.in_session(session.id).with_detail("too many sessions");
            self.accounts.end_session(user.id, session.id, now, &event).await
        });
        for outcome in join_all(ends).await {
            if let Err(error) = outcome {
                tracing::warn!(%error, "a session beyond the maximum was not ended");
            }
        }
    }
}

/// Returns the credential if the password matches. Takes as long without a credential.
pub(crate) fn check_password(
    credential: Option<Credential>,
    password: &Secret<String>,
) -> Result<Credential, AccountError> {
    let hash = credential.as_ref().map_or_else(PasswordHash::dummy, |found| found.password_hash.clone());
    let matches = hash.matches(password);
    credential.filter(|_| matches).ok_or(AccountError::InvalidCredentials)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contact::Phone;

    use super::*;
    use crate::domain::throttle::MAX_TIME_IN_FLIGHT;
    use crate::domain::{RefreshToken, hash_computations};
    use crate::testing::{LIFETIMES, PASSWORD, TestApp, ada, bob, hash, now, session_and_token};

    fn request(identifier: Identifier, password: &str) -> SignInRequest {
        SignInRequest { identifier, password: Secret::new(password.to_owned()), client: ClientInfo::invocation("r-1") }
    }

    fn valid() -> SignInRequest {
        request(Identifier::Email(ada().email), PASSWORD)
    }

    fn with_wrong_password() -> SignInRequest {
        request(Identifier::Email(ada().email), "wrong")
    }

    fn of_unknown_identifier() -> SignInRequest {
        request(Identifier::Email(bob().email), PASSWORD)
    }

    fn outdated_hash() -> PasswordHash {
        // PASSWORD with half the memory and one more pass.
        let stored = "$argon2id$v=19$m=9216,t=4,p=1$c29tZXNhbHRzb21lc2FsdA$CcopKA0VmqB2iA7hmj7LgX2vFql3N5fpiv/XY+jDSZg";
        PasswordHash::from_stored(stored).unwrap()
    }

    #[tokio::test]
    async fn sign_in_returns_tokens_of_the_started_session() {
        for identifier in ada().identifiers() {
            let app = TestApp::with_ada().await;
            let (user, tokens) = app.sign_in().await.sign_in(&request(identifier, PASSWORD)).await.unwrap();
            assert_eq!(user, ada());
            let principal = app.verifier.verify(tokens.access.token.expose()).await.unwrap();
            let [session] = &app.sessions().await[..] else { panic!() };
            assert_eq!((principal.user_id, principal.session_id), (ada().id, session.id));
            assert_eq!(session.token_expires_at, now().plus(LIFETIMES.access_token));
            let refresh = RefreshToken::parse(tokens.refresh_token.expose()).unwrap();
            assert_eq!(refresh.hash(), session.refresh_hash);
            assert_eq!((tokens.access.expires_in, tokens.refresh_expires_in), (LIFETIMES.access_token, LIFETIMES.idle));
            let [event] = &app.audited().await[..] else { panic!() };
            assert_eq!((event.kind.as_str(), &event.session), ("SIGNED_IN", &Some(session.id.to_string())));
        }
    }

    #[tokio::test]
    async fn wrong_password_and_unknown_identifier_start_no_session() {
        let app = TestApp::with_ada().await;
        let sign_in = app.sign_in().await;
        let unknown_phone = request(Identifier::Phone(Phone::parse("+33600000000").unwrap()), PASSWORD);
        for request in [with_wrong_password(), of_unknown_identifier(), unknown_phone] {
            assert!(matches!(sign_in.sign_in(&request).await, Err(AccountError::InvalidCredentials)));
        }
        assert!(app.sessions().await.is_empty());
    }

    #[tokio::test]
    async fn every_rejection_costs_one_hash_and_one_audit_event() {
        for (suspended, request, is_known) in [
            (false, with_wrong_password(), true),
            (true, valid(), true),
            (true, with_wrong_password(), true),
            (false, of_unknown_identifier(), false),
        ] {
            let app = TestApp::with_ada().await;
            if suspended {
                app.update_ada(|user| User { status: UserStatus::Suspended, ..user }).await;
            }
            let sign_in = app.sign_in().await;
            let before = hash_computations();
            assert!(matches!(sign_in.sign_in(&request).await, Err(AccountError::InvalidCredentials)));
            assert_eq!(hash_computations() - before, 1);
            assert_eq!(app.engine.round_trips(), ["UpdateItem", "PutItem", "UpdateItem"], "the last two concurrently");
            let [event] = &app.audited().await[..] else { panic!() };
            assert_eq!((event.kind.as_str(), event.request_id.as_str()), ("SIGN_IN_FAILED", "r-1"));
            assert_eq!(event.subject == format!("PERSON#{}", ada().id), is_known);
        }
    }

    #[tokio::test]
    async fn rate_limited_identifier_computes_no_hash() {
        let app = TestApp::with_ada().await;
        let sign_in = app.sign_in().await;
        app.fail_attempts(&valid().identifier, BURST).await;
        let before = hash_computations();
        let Err(AccountError::TooManyAttempts(wait)) = sign_in.sign_in(&valid()).await else { panic!() };
        assert_eq!((wait, hash_computations() - before), (Duration::from_secs(1), 0));
        assert!(app.audited().await.is_empty());
    }

    #[tokio::test]
    async fn attempts_in_flight_do_not_count_as_failures() {
        let app = TestApp::with_ada().await;
        let sign_in = app.sign_in().await;
        for _ in 0..BURST {
            app.accounts.count_attempt(&valid().identifier, now()).await.unwrap();
        }
        let before = hash_computations();
        assert!(matches!(sign_in.sign_in(&valid()).await, Err(AccountError::AttemptsInProgress)));
        assert_eq!(hash_computations(), before);
        app.clock.advance(MAX_TIME_IN_FLIGHT);
        assert!(sign_in.sign_in(&valid()).await.is_ok());
    }

    #[tokio::test]
    async fn failure_that_exhausts_the_burst_is_audited_as_locked() {
        for (attempts, kind) in [(BURST - 2, "SIGN_IN_FAILED"), (BURST - 1, "IDENTIFIER_LOCKED")] {
            let app = TestApp::with_ada().await;
            app.fail_attempts(&of_unknown_identifier().identifier, attempts).await;
            assert!(app.sign_in().await.sign_in(&of_unknown_identifier()).await.is_err());
            assert_eq!(app.audited_kinds().await, [kind]);
        }
    }

    #[tokio::test]
    async fn user_suspended_or_deleted_during_sign_in_is_rejected() {
        let app = TestApp::with_ada().await;
        let suspend = app.updating_ada(|user| User { status: UserStatus::Suspended, ..user }, None);
        app.engine.before_next("TransactWriteItems", suspend);
        assert!(matches!(app.sign_in().await.sign_in(&valid()).await, Err(AccountError::InvalidCredentials)));
        assert!(app.sessions().await.is_empty());

        let app = TestApp::with_ada().await;
        app.engine.before_next("TransactWriteItems", app.deleting_ada());
        assert!(matches!(app.sign_in().await.sign_in(&valid()).await, Err(AccountError::InvalidCredentials)));
    }

    #[tokio::test]
    async fn user_updated_during_sign_in_signs_in_as_updated() {
        let app = TestApp::with_ada().await;
        let sign_in = app.sign_in().await;
        app.engine.before_next("TransactWriteItems", app.updating_ada(|user| User { epoch: 5, ..user }, None));
        let (user, tokens) = sign_in.sign_in(&valid()).await.unwrap();
        // The Query of the first attempt is sent while the user is updated, which is not recorded.
        let operations = ["UpdateItem", "TransactWriteItems", "TransactWriteItems", "Query"];
        assert_eq!(app.engine.round_trips(), operations);
        assert_eq!((user.version, user.epoch), (2, 5));
        assert_eq!(app.sessions().await[0].epoch, 5);
        assert_eq!(app.verifier.verify(tokens.access.token.expose()).await.unwrap().epoch, 5);
    }

    #[tokio::test]
    async fn password_changed_during_sign_in_is_rejected() {
        let app = TestApp::with_ada().await;
        let change = app.updating_ada(|user| user, Some(hash("another password")));
        app.engine.before_next("TransactWriteItems", change);
        assert!(matches!(app.sign_in().await.sign_in(&valid()).await, Err(AccountError::InvalidCredentials)));
        assert!(app.sessions().await.is_empty());
    }

    #[tokio::test]
    async fn outdated_hash_is_replaced_by_a_successful_sign_in() {
        let app = TestApp::new().await;
        app.create_user_with(ada(), outdated_hash()).await;
        let sign_in = app.sign_in().await;
        let stored = async || app.credential(&valid().identifier).await.unwrap().password_hash;
        assert!(sign_in.sign_in(&with_wrong_password()).await.is_err());
        assert_eq!(stored().await, outdated_hash());

        sign_in.sign_in(&valid()).await.unwrap();
        let upgraded = stored().await;
        assert!(upgraded.matches(&valid().password) && !upgraded.is_outdated());
        sign_in.sign_in(&valid()).await.unwrap();
        assert_eq!(stored().await, upgraded, "a current hash stays");
    }

    #[tokio::test]
    async fn sign_in_beyond_the_maximum_ends_the_idle_session() {
        let app = TestApp::with_ada().await;
        let mut idle = Vec::new();
        for seed in 0..2 {
            let last_used_at = now().plus(Duration::from_secs(seed));
            idle.push(app.start(Session { last_used_at, ..session_and_token(seed).0 }).await);
        }
        // These do not count.
        app.end_session(&app.start_session(7).await).await;
        app.start(Session { expires_at: now(), ..session_and_token(8).0 }).await;
        let sign_in = SignIn { max_sessions: 3, ..app.sign_in().await };
        app.clock.advance(Duration::from_secs(10));
        app.engine.round_trips();
        sign_in.sign_in(&valid()).await.unwrap();
        assert_eq!(
            app.engine.round_trips(),
            ["UpdateItem", "TransactWriteItems", "Query"],
            "the last two concurrently"
        );
        assert_eq!(app.session(&idle[0]).await.session.ended_at, None, "three sessions are allowed");

        app.engine.round_trips();
        sign_in.sign_in(&valid()).await.unwrap();
        let operations = ["UpdateItem", "TransactWriteItems", "Query", "TransactWriteItems"];
        assert_eq!(app.engine.round_trips(), operations);
        assert!(app.session(&idle[0]).await.session.ended_at.is_some());
        assert_eq!(app.session(&idle[1]).await.session.ended_at, None);
        let event = app.audited().await.into_iter().find(|event| event.kind == "SESSION_ENDED").unwrap();
        assert_eq!(event.session, Some(idle[0].id.to_string()));
        assert_eq!(event.detail.as_deref(), Some("too many sessions"));
    }

    #[tokio::test]
    async fn sign_ins_end_every_session_beyond_the_maximum() {
        let app = TestApp::with_ada().await;
        for seed in 0..8 {
            app.start_session(seed).await;
        }
        let sign_in = SignIn { max_sessions: 3, ..app.sign_in().await };
        for _ in 0..2 {
            app.clock.advance(Duration::from_secs(1));
            sign_in.sign_in(&valid()).await.unwrap();
        }
        let active = app.sessions().await.iter().filter(|session| session.ended_at.is_none()).count();
        assert_eq!(active, 3);
    }

    #[tokio::test]
    async fn sign_in_succeeds_although_sessions_cannot_be_counted() {
        let app = TestApp::with_ada().await;
        let idle = app.start_session(1).await;
        let sign_in = SignIn { max_sessions: 1, ..app.sign_in().await };
        app.clock.advance(Duration::from_secs(1));
        app.engine.reject("Query", 3, "ThrottlingException");
        assert!(sign_in.sign_in(&valid()).await.is_ok());
        assert_eq!(app.session(&idle).await.session.ended_at, None);
        app.clock.advance(Duration::from_secs(1));
        assert!(sign_in.sign_in(&valid()).await.is_ok());
        assert!(app.session(&idle).await.session.ended_at.is_some());
    }

    #[tokio::test]
    async fn sign_in_without_a_signing_key_fails() {
        let app = TestApp::with_ada().await;
        let sign_in = SignIn { issuer: app.issuer_without_key(), ..app.sign_in().await };
        assert!(matches!(sign_in.sign_in(&valid()).await, Err(AccountError::NoSigningKey)));
    }

    #[tokio::test]
    async fn sign_in_fails_after_repeated_conflicts() {
        let app = TestApp::with_ada().await;
        for _ in 0..MAX_ATTEMPTS {
            app.engine.before_next("TransactWriteItems", app.updating_ada(|user| user, None));
        }
        assert!(matches!(app.sign_in().await.sign_in(&valid()).await, Err(AccountError::UserKeptChanging)));
    }
}
