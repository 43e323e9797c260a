//! Idempotent requests: a repeated request with the same key is executed once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Random, UserId};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::PaymentReference;

kernel::uuid_id! {
    /// The id of an operation, from which the ids of what it creates are derived: a repeated operation creates nothing new.
    OperationId
}

impl OperationId {
    /// The id of the collection that a payment's success posts. A payment succeeds once.
    pub fn of_collection(reference: PaymentReference) -> Self {
        Self::derived_from(&[b"collection", reference.to_string().as_bytes()])
    }

    /// The id of a further effect of the same operation.
    #[must_use]
    pub fn derive(self, purpose: &str) -> Self {
        Self::derived_from(&[self.as_bytes(), purpose.as_bytes()])
    }

    /// A UUID (RFC 9562, version 8) of the first 16 bytes of a SHA-256 digest.
    fn derived_from(parts: &[&[u8]]) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest(parts)) {
            *to = from;
        }
        Self::from_bytes(*uuid::Builder::from_custom_bytes(bytes).as_uuid().as_bytes())
    }
}

/// The SHA-256 digest of a request's route and payload, base64url-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// A request that creates something and can be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    pub id: OperationId,
    /// The fingerprint of the payload, if the request has an idempotency key. Without a key every request is distinct.
    pub fingerprint: Option<Fingerprint>,
}

impl IdempotentRequest {
    /// A request with an idempotency key. Its id is derived from the user, the route and the key, its fingerprint from the
    /// route and the payload, serialized again so that the formatting of the client's JSON has no effect.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`] if the payload can't be serialized, which is a bug in its type.
    pub fn keyed(user: UserId, route: &str, key: &str, payload: &impl Serialize) -> Result<Self, serde_json::Error> {
        let user = user.to_string();
        let id = OperationId::derived_from(&[user.as_bytes(), route.as_bytes(), key.as_bytes()]);
        let payload = serde_json::to_vec(payload)?;
        let digest = digest(&[route.as_bytes(), &payload]);
        Ok(Self { id, fingerprint: Some(Fingerprint(URL_SAFE_NO_PAD.encode(digest))) })
    }

    /// A request without an idempotency key.
    pub fn unkeyed(random: &(impl Random + ?Sized)) -> Self {
        Self { id: OperationId::random(random), fingerprint: None }
    }

    /// Answers the request with the stored result of an earlier request of the same id.
    ///
    /// # Errors
    ///
    /// [`KeyReused`] if the earlier request had a different payload.
    pub fn replay<T>(&self, stored: Stored<T>) -> Result<Idempotent<T>, KeyReused> {
        match (&stored.fingerprint, &self.fingerprint) {
            // The id of a request without a key is random, so an earlier attempt at this request has executed it.
            (None, None) => Ok(Idempotent::executed(stored.value)),
            (Some(stored_fingerprint), Some(fingerprint)) if stored_fingerprint == fingerprint => {
                Ok(Idempotent { value: stored.value, replayed: true })
            }
            _ => Err(KeyReused),
        }
    }
}

/// The stored result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    pub value: T,
    pub fingerprint: Option<Fingerprint>,
}

/// The idempotency key was used with a different payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("idempotency key reused with a different payload")]
pub struct KeyReused;

/// The result of a request that can be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotent<T> {
    pub value: T,
    /// Whether an earlier request with the same key produced the value.
    pub replayed: bool,
}

impl<T> Idempotent<T> {
    /// The result of a request that was executed now.
    pub const fn executed(value: T) -> Self {
        Self { value, replayed: false }
    }
}

/// SHA-256 of the parts, each preceded by its length, so that no two lists of parts have the same input.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
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
    fn keyed_request_is_identified_by_user_route_and_key() {
        let (ada, bob) = (UserId::random(&SeededRandom::new(1)), UserId::random(&SeededRandom::new(2)));
        let payload = json!({"amount": 5});
        let request = IdempotentRequest::keyed(ada, "send", "k", &payload).unwrap();
        assert_eq!(IdempotentRequest::keyed(ada, "send", "k", &payload).unwrap(), request);
        for other in [
            IdempotentRequest::keyed(bob, "send", "k", &payload).unwrap(),
            IdempotentRequest::keyed(ada, "deposit", "k", &payload).unwrap(),
            IdempotentRequest::keyed(ada, "send", "l", &payload).unwrap(),
            IdempotentRequest::keyed(ada, "sen", "dk", &payload).unwrap(),
            IdempotentRequest::unkeyed(&SeededRandom::new(3)),
        ] {
            assert_ne!(other.id, request.id);
        }
        assert_eq!(request.id.as_bytes()[6] >> 4, 8, "the version of the UUID");
    }

    #[test]
    fn different_payload_with_the_same_key_is_not_replayed() {
        let ada = UserId::random(&SeededRandom::new(1));
        let five = IdempotentRequest::keyed(ada, "send", "k", &json!({"amount": 5})).unwrap();
        let six = IdempotentRequest::keyed(ada, "send", "k", &json!({"amount": 6})).unwrap();
        let unkeyed = IdempotentRequest::unkeyed(&SeededRandom::new(3));
        assert_eq!(five.id, six.id);
        assert_ne!(five.fingerprint, six.fingerprint);
        let stored = Stored { value: (), fingerprint: five.fingerprint.clone() };
        assert_eq!(five.replay(stored.clone()), Ok(Idempotent { value: (), replayed: true }));
        assert_eq!(six.replay(stored.clone()), Err(KeyReused));
        assert_eq!(unkeyed.replay(stored), Err(KeyReused));
    }

    #[test]
    fn unkeyed_request_stored_before_counts_as_executed() {
        let unkeyed = IdempotentRequest::unkeyed(&SeededRandom::new(3));
        assert_eq!(unkeyed.replay(Stored { value: (), fingerprint: None }), Ok(Idempotent::executed(())));
    }
}
