//! What the tests of several endpoints start from.

use std::time::Duration;

use auth::{LoadKeys, LoadKeysError, PublicKey, Verifier};
use kernel::random::Seeded;
use kernel::time::FixedClock;
use kernel::{SessionId, Timestamp, UserId};
use lambda_http::Body;
use runtime::http::Request;
use serde_json::Value;

use crate::domain::{AccessTokens, Email, Person, Phone, SigningKey};

pub(super) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(super) fn ada() -> Person {
    let email = Email::parse("ada@example.com").unwrap();
    Person::new(UserId::random(&Seeded::new(100)), email, Some(Phone::parse("+33612345678").unwrap()), now())
}

pub(super) fn post(body: &Value) -> Request {
    let mut request = Request::new(Body::Text(body.to_string()));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request
}

/// A request with an access token of Ada's for this session, issued at this time.
pub(super) fn signed_in_as_ada(session: SessionId, at: Timestamp) -> Request {
    let tokens = AccessTokens::new("issuer", "audience", Duration::from_mins(15));
    let token = tokens.issue(&signing_key(), &ada(), session, at).unwrap();
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert("authorization", format!("Bearer {}", token.expose()).parse().unwrap());
    request
}

pub(super) fn signing_key() -> SigningKey {
    SigningKey::generate(&Seeded::new(200)).unwrap()
}

/// Where public keys come from, or do not.
pub(super) struct PublicKeys(pub(super) Result<Vec<PublicKey>, LoadKeysError>);

impl LoadKeys for PublicKeys {
    async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
        self.0.clone()
    }
}

pub(super) fn verifier() -> Verifier<PublicKeys, FixedClock> {
    let key = signing_key();
    verifier_with(PublicKeys(Ok(vec![PublicKey { kid: key.kid().clone(), x: key.public_key().to_owned() }])))
}

pub(super) fn verifier_with(keys: PublicKeys) -> Verifier<PublicKeys, FixedClock> {
    Verifier::new("issuer", "audience", keys, FixedClock(now()))
}
