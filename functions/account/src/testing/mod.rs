//! What the tests of several endpoints start from.

pub(crate) mod ada_on_engine;
mod flows;
pub(crate) mod sessions;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use auth::{LoadKeys, LoadKeysError, PublicKey, Verifier};
use contact::{Email, Phone};
use http_api::{Request, Response};
use kernel::testing::FixedClock;
use kernel::testing::SeededRandom;
use kernel::{Secret, SessionId, Timestamp, UserId};
use lambda_http::Body;
use serde_json::Value;

use crate::app::cached_signing_key::CachedSigningKey;
use crate::app::sign_in::SignIn;
use crate::app::sign_up::SignUp;
use crate::app::token_issuer::TokenIssuer;
use crate::domain::throttle::RateLimit;
use crate::domain::{
    AccessTokens, AuditEvent, AuditEventKind, AuditLog, Identifier, Lifetimes, PasswordHash, PasswordPolicy, Session,
    SigningKey, User,
};
use crate::store::{
    AppendAuditEvent, CountAttempt, CountedAttempt, CreateUser, CreateUserOutcome, Credential, FindCredential,
    LoadSigningKey, NewSession, StartSession, StartSessionOutcome, StoreError,
};

/// Ada's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(crate) fn ada() -> User {
    let email = Email::parse("ada@example.com").unwrap();
    User::new(UserId::random(&SeededRandom::new(100)), email, Some(Phone::parse("+33612345678").unwrap()), now())
}

pub(crate) fn post(body: &Value) -> Request {
    let mut request = Request::new(Body::Text(body.to_string()));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request
}

pub(crate) const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(24),
};

pub(crate) fn audit_log() -> AuditLog {
    AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24))
}

/// A session of Ada's that began at this time.
pub(crate) fn session_of_ada(id: SessionId, at: Timestamp) -> Session {
    Session { id, ..Session::start(&ada(), None, LIFETIMES, at, &SeededRandom::new(300)).0 }
}

/// A request with an access token of Ada's for this session, issued at this time.
pub(crate) fn signed_in_as_ada(session: SessionId, at: Timestamp) -> Request {
    let tokens = AccessTokens::new("issuer", "audience");
    let token = tokens.issue(&signing_key(), &ada(), &session_of_ada(session, at), at).unwrap();
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert("authorization", format!("Bearer {}", token.expose()).parse().unwrap());
    request
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::generate(&SeededRandom::new(200)).unwrap()
}

/// Where public keys come from, or do not.
pub(crate) struct PublicKeys(pub(crate) Result<Vec<PublicKey>, LoadKeysError>);

impl LoadKeys for PublicKeys {
    async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
        self.0.clone()
    }
}

pub(crate) fn verifier() -> Verifier<PublicKeys, FixedClock> {
    let key = signing_key();
    verifier_with(PublicKeys(Ok(vec![PublicKey { kid: key.kid().clone(), x: key.public_key().to_owned() }])))
}

pub(crate) fn verifier_with(keys: PublicKeys) -> Verifier<PublicKeys, FixedClock> {
    Verifier::new("issuer", "audience", keys, FixedClock(now()))
}

/// The body of an answer.
pub(crate) fn body_of(answer: &Response) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

/// What an answer's `Set-Cookie` gives the browser under this name.
pub(crate) fn cookie_of(answer: &Response, name: &str) -> Option<String> {
    let set = answer.headers.iter().filter(|(header, _)| *header == "set-cookie");
    let mut values = set.filter_map(|(_, cookie)| cookie.split(';').next()?.strip_prefix(name)?.strip_prefix('='));
    values.next().map(str::to_owned)
}

/// Creates whoever it is asked to, or answers as it was told.
#[derive(Default)]
pub(crate) struct NewUsers {
    pub(crate) created: Mutex<Vec<(User, PasswordHash)>>,
    pub(crate) instead: Option<Result<CreateUserOutcome, StoreError>>,
}

impl CreateUser for NewUsers {
    async fn create_user(
        &self,
        user: &User,
        hash: &PasswordHash,
        record: &AuditEvent,
    ) -> Result<CreateUserOutcome, StoreError> {
        assert_eq!(record.kind, AuditEventKind::SignedUp);
        if let Some(answer) = &self.instead {
            return answer.clone();
        }
        self.created.lock().unwrap().push((user.clone(), hash.clone()));
        Ok(CreateUserOutcome::Created)
    }
}

pub(crate) fn sign_up_of(users: NewUsers) -> SignUp<NewUsers, SeededRandom, FixedClock> {
    let password_policy = "8".parse().unwrap();
    SignUp { users, password_policy, audit_log: audit_log(), random: SeededRandom::new(1), clock: FixedClock(now()) }
}

/// Knows one person, and how they are by the time of each attempt to start a session.
#[derive(Default)]
pub(crate) struct FakeUserStore {
    pub(crate) known: Option<User>,
    /// The stored hash of their password.
    pub(crate) hash: Option<PasswordHash>,
    pub(crate) password_changes_after: Option<usize>,
    /// The attempts by the identifier so far, and the wait that they have led to.
    pub(crate) attempts: u32,
    pub(crate) locked: Option<Duration>,
    found: Mutex<usize>,
    outcomes: Mutex<VecDeque<StartSessionOutcome>>,
    /// How the person turned out to be: by the next look their identifiers' copies are so too.
    turned_out: Mutex<Option<User>>,
    pub(crate) started: Mutex<Vec<(User, Session)>>,
    /// The new hashes that sessions were started with.
    pub(crate) upgraded: Mutex<Vec<PasswordHash>>,
    pub(crate) recorded: Mutex<Vec<AuditEvent>>,
}

impl FakeUserStore {
    fn credential(&self, identifier: &Identifier) -> Option<Credential> {
        let mut found = self.found.lock().unwrap();
        let changed = self.password_changes_after.is_some_and(|times| *found >= times);
        *found += 1;
        let stored = if changed { Some(hash("another password")) } else { self.hash.clone() };
        let known = self.turned_out.lock().unwrap().clone().or_else(|| self.known.clone());
        let known = known.filter(|user| user.identifiers().contains(identifier));
        known.zip(stored).map(|(user, password_hash)| Credential { user, password_hash })
    }
}

impl CountAttempt for FakeUserStore {
    async fn count_attempt(
        &self,
        identifier: &Identifier,
        _now: Timestamp,
    ) -> Result<RateLimit<CountedAttempt>, StoreError> {
        Ok(match self.locked {
            Some(retry_after) => RateLimit::Limited { retry_after },
            None => RateLimit::Allowed(CountedAttempt {
                credential: self.credential(identifier),
                attempts: self.attempts + 1,
            }),
        })
    }
}

impl FindCredential for FakeUserStore {
    async fn find_credential(&self, identifier: &Identifier) -> Result<Option<Credential>, StoreError> {
        Ok(self.credential(identifier))
    }
}

impl StartSession for FakeUserStore {
    async fn start_session(&self, new: NewSession<'_>) -> Result<StartSessionOutcome, StoreError> {
        assert_eq!((new.event.kind, new.event.session), (AuditEventKind::SignedIn, Some(new.session.id)));
        self.started.lock().unwrap().push((new.user.clone(), new.session.clone()));
        self.upgraded.lock().unwrap().extend(new.new_hash.cloned());
        let outcome = self.outcomes.lock().unwrap().pop_front().unwrap_or(StartSessionOutcome::Started);
        if let StartSessionOutcome::VersionConflict(Some(user)) = &outcome {
            *self.turned_out.lock().unwrap() = Some((**user).clone());
        }
        Ok(outcome)
    }
}

impl AppendAuditEvent for FakeUserStore {
    async fn append_audit_event(&self, record: &AuditEvent) -> Result<(), StoreError> {
        self.recorded.lock().unwrap().push(record.clone());
        Ok(())
    }
}

pub(crate) fn hash(password: &str) -> PasswordHash {
    let policy: PasswordPolicy = "8".parse().unwrap();
    let password = policy.accept(Secret::new(password.to_owned()), None, None).unwrap();
    PasswordHash::new(&password, &SeededRandom::new(3)).unwrap()
}

/// A key that signs, or none yet.
pub(crate) struct Key(pub(crate) Option<SigningKey>);

impl LoadSigningKey for Key {
    async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
        Ok(self.0.as_ref().map(|key| SigningKey::from_pkcs8(key.pkcs8().clone()).unwrap()))
    }
}

pub(crate) fn issuer() -> TokenIssuer<Key> {
    TokenIssuer {
        signing_key: CachedSigningKey::new(Key(Some(signing_key()))),
        tokens: AccessTokens::new("issuer", "audience"),
    }
}

/// Signs Ada in by [`PASSWORD`], unless the attempts to start her session end otherwise.
pub(crate) fn sign_in_of_ada(
    outcomes: impl IntoIterator<Item = StartSessionOutcome>,
) -> SignIn<FakeUserStore, Key, SeededRandom, FixedClock> {
    let outcomes = Mutex::new(outcomes.into_iter().collect());
    SignIn {
        users: FakeUserStore { known: Some(ada()), hash: Some(hash(PASSWORD)), outcomes, ..FakeUserStore::default() },
        issuer: issuer(),
        lifetimes: LIFETIMES,
        audit_log: audit_log(),
        random: SeededRandom::new(1),
        clock: FixedClock(now()),
    }
}
