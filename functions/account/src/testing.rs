//! What the tests of several endpoints start from.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use auth::{LoadKeys, LoadKeysError, PublicKey, Verifier};
use contact::{Email, Phone};
use kernel::random::Seeded;
use kernel::time::FixedClock;
use kernel::{Secret, SessionId, Timestamp, UserId};
use lambda_http::Body;
use runtime::http::{Answer, Request};
use serde_json::Value;

use crate::current_key::CurrentKey;
use crate::domain::{AccessTokens, Identifier, PasswordHash, PasswordPolicy, Person, Session, SigningKey};
use crate::sign_in::SignIn;
use crate::sign_up::SignUp;
use crate::store::{
    CreatePerson, Created, Credential, FindCredential, LoadSigningKey, StartSession, Started, StoreError,
};

/// Ada's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(crate) fn ada() -> Person {
    let email = Email::parse("ada@example.com").unwrap();
    Person::new(UserId::random(&Seeded::new(100)), email, Some(Phone::parse("+33612345678").unwrap()), now())
}

pub(crate) fn post(body: &Value) -> Request {
    let mut request = Request::new(Body::Text(body.to_string()));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request
}

/// A request with an access token of Ada's for this session, issued at this time.
pub(crate) fn signed_in_as_ada(session: SessionId, at: Timestamp) -> Request {
    let tokens = AccessTokens::new("issuer", "audience", Duration::from_mins(15));
    let token = tokens.issue(&signing_key(), &ada(), session, at).unwrap();
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert("authorization", format!("Bearer {}", token.expose()).parse().unwrap());
    request
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::generate(&Seeded::new(200)).unwrap()
}

/// Where public keys come from, or do not.
pub(crate) struct PublicKeys(pub(super) Result<Vec<PublicKey>, LoadKeysError>);

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
pub(crate) fn body_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

/// Creates whoever it is asked to, or answers as it was told.
#[derive(Default)]
pub(crate) struct Newcomers {
    pub(crate) created: Mutex<Vec<(Person, PasswordHash)>>,
    pub(crate) instead: Option<Result<Created, StoreError>>,
}

impl CreatePerson for Newcomers {
    async fn create_person(&self, person: &Person, hash: &PasswordHash) -> Result<Created, StoreError> {
        if let Some(answer) = &self.instead {
            return answer.clone();
        }
        self.created.lock().unwrap().push((person.clone(), hash.clone()));
        Ok(Created::Yes)
    }
}

pub(crate) fn sign_up_of(people: Newcomers) -> SignUp<Newcomers, Seeded, FixedClock> {
    SignUp { people, password_policy: "8".parse().unwrap(), random: Seeded::new(1), clock: FixedClock(now()) }
}

/// Knows one person, and how they are by the time of each attempt to start a session.
#[derive(Default)]
pub(crate) struct People {
    known: Option<Person>,
    pub(crate) password_changes_after: Option<usize>,
    found: Mutex<usize>,
    outcomes: Mutex<VecDeque<Started>>,
    pub(crate) started: Mutex<Vec<(Person, Session)>>,
}

impl FindCredential for People {
    async fn find_credential(&self, identifier: &Identifier) -> Result<Option<Credential>, StoreError> {
        let mut found = self.found.lock().unwrap();
        let changed = self.password_changes_after.is_some_and(|times| *found >= times);
        *found += 1;
        let password_hash = hash(if changed { "another password" } else { PASSWORD });
        let known = self.known.clone().filter(|person| person.identifiers().contains(identifier));
        Ok(known.map(|person| Credential { person, password_hash }))
    }
}

impl StartSession for People {
    async fn start_session(&self, person: &Person, session: &Session) -> Result<Started, StoreError> {
        self.started.lock().unwrap().push((person.clone(), session.clone()));
        Ok(self.outcomes.lock().unwrap().pop_front().unwrap_or(Started::Yes))
    }
}

fn hash(password: &str) -> PasswordHash {
    let policy: PasswordPolicy = "8".parse().unwrap();
    let password = policy.accept(Secret::new(password.to_owned()), None, None).unwrap();
    PasswordHash::of(&password, &Seeded::new(3)).unwrap()
}

/// A key that signs, or none yet.
pub(crate) struct Key(pub(crate) Option<SigningKey>);

impl LoadSigningKey for Key {
    async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
        Ok(self.0.as_ref().map(|key| SigningKey::from_pkcs8(key.pkcs8().clone()).unwrap()))
    }
}

/// Signs Ada in by [`PASSWORD`], unless the attempts to start her session end otherwise.
pub(crate) fn sign_in_of_ada(outcomes: impl IntoIterator<Item = Started>) -> SignIn<People, Key, Seeded, FixedClock> {
    let outcomes = Mutex::new(outcomes.into_iter().collect());
    SignIn {
        people: People { known: Some(ada()), outcomes, ..People::default() },
        signing_key: CurrentKey::new(Key(Some(signing_key()))),
        tokens: AccessTokens::new("issuer", "audience", Duration::from_mins(15)),
        random: Seeded::new(1),
        clock: FixedClock(now()),
    }
}
