//! One request, one effect.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Random, UserId};
use ring::digest::{Context, SHA256};
use uuid::Uuid;

use super::PaymentReference;

/// The identity of a request: what it makes bears this id, so it cannot be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The id.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The identity of what a payment's success moves: a payment succeeds once.
    pub fn of_collection(reference: PaymentReference) -> Self {
        Self(uuid_of(&[b"collection", reference.to_string().as_bytes()]))
    }

    /// The id of a second thing that the same request makes.
    #[must_use]
    pub fn derive(self, purpose: &str) -> Self {
        Self(uuid_of(&[self.0.as_bytes(), purpose.as_bytes()]))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a client asked, in 32 bytes: the same for the same request, whatever the state it met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// As it was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request that makes something, and may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its identity.
    pub id: RequestId,
    /// What was asked, where the client named the request: only then can it be recognised when it comes again.
    pub fingerprint: Option<Fingerprint>,
}

impl Request {
    /// A request that the client named by a key. The same person, route and key give the same id; `asked` is the
    /// request in a form that does not depend on how its JSON was written.
    ///
    /// # Errors
    ///
    /// If `asked` cannot be written as JSON, which is a mistake in its type.
    pub fn named(
        user: UserId,
        route: &str,
        key: &str,
        asked: &impl serde::Serialize,
    ) -> Result<Self, serde_json::Error> {
        let user = user.to_string();
        let id = RequestId(uuid_of(&[user.as_bytes(), route.as_bytes(), key.as_bytes()]));
        let asked = serde_json::to_vec(asked)?;
        let digest = digest_of(&[route.as_bytes(), &asked]);
        Ok(Self { id, fingerprint: Some(Fingerprint(URL_SAFE_NO_PAD.encode(digest))) })
    }

    /// A request without a name: each is its own.
    pub fn unnamed(random: &(impl Random + ?Sized)) -> Self {
        Self { id: RequestId(kernel::ids::random_uuid(random)), fingerprint: None }
    }
}

/// A UUID (RFC 9562, version 8) from the first bytes of a SHA-256.
fn uuid_of(parts: &[&[u8]]) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest_of(parts)) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// SHA-256 over the parts, each preceded by its length, so that no two lists of parts give the same bytes.
fn digest_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_named_request_is_known_by_person_route_and_key() {
        let (ada, bob) = (UserId::random(&SeededRandom::new(1)), UserId::random(&SeededRandom::new(2)));
        let asked = json!({"amount": 5});
        let request = Request::named(ada, "send", "k", &asked).unwrap();
        assert_eq!(Request::named(ada, "send", "k", &asked).unwrap(), request);
        for other in [
            Request::named(bob, "send", "k", &asked).unwrap(),
            Request::named(ada, "deposit", "k", &asked).unwrap(),
            Request::named(ada, "send", "l", &asked).unwrap(),
            Request::named(ada, "sen", "dk", &asked).unwrap(),
            Request::unnamed(&SeededRandom::new(3)),
        ] {
            assert_ne!(other.id, request.id);
        }
        assert_eq!(request.id.uuid().get_version_num(), 8);
    }

    #[test]
    fn another_question_under_the_same_key_has_another_fingerprint() {
        let ada = UserId::random(&SeededRandom::new(1));
        let five = Request::named(ada, "send", "k", &json!({"amount": 5})).unwrap();
        let six = Request::named(ada, "send", "k", &json!({"amount": 6})).unwrap();
        assert_eq!(five.id, six.id);
        assert_ne!(five.fingerprint, six.fingerprint);
    }
}
