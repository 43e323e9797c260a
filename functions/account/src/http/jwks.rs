//! `GET /.well-known/jwks.json`: the public keys of access tokens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use auth::{LoadKeys, PublicKey};
use http_api::{Problem, Request, Response};
use kernel::{Clock, KeyId, Timestamp};
use lambda_http::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// RFC 7517, section 8.5.2.
pub(super) const MEDIA_TYPE: &str = "application/jwk-set+json";
/// The time for which the response is cached in memory: at most one query per ten seconds and execution environment.
const HELD_FOR: Duration = Duration::from_secs(10);
/// The time for which clients may cache the response. Together with [`HELD_FOR`] it is far shorter than the time for which a
/// key is published before it signs.
const MAX_AGE: Duration = Duration::from_mins(10);
const SOON: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Jwks<L, C> {
    keys: L,
    clock: C,
    held: Mutex<Option<(Response, Timestamp)>>,
}

impl<L, C> Jwks<L, C> {
    pub fn new(keys: L, clock: C) -> Self {
        Self { keys, clock, held: Mutex::default() }
    }
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Serialize, ToSchema)]
pub(super) struct JsonWebKeySet {
    keys: Vec<JsonWebKey>,
}

/// An Ed25519 public key (RFC 8037, section 2).
#[derive(Serialize, ToSchema)]
struct JsonWebKey {
    /// `OKP`.
    kty: &'static str,
    /// `Ed25519`.
    crv: &'static str,
    /// The 32 bytes in base64url without padding.
    x: String,
    /// The RFC 7638 thumbprint: the `kid` of the tokens that the key signed.
    #[schema(value_type = String)]
    kid: KeyId,
    /// `sig`.
    #[serde(rename = "use")]
    usage: &'static str,
    /// `EdDSA`.
    alg: &'static str,
}

/// Returns every key that may have signed an unexpired token, and the next key before it signs.
/// # Errors
/// A 503 if the keys cannot be loaded. A stale response is not used: it may lack a key, and clients have their own copy.
pub async fn jwks<L, C>(deps: &Jwks<L, C>, _request: Request) -> Result<Response, Problem>
where
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let now = deps.clock.now();
    let held = deps.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((answer, _)) = held.filter(|(_, at)| now < at.plus(HELD_FOR)) {
        return Ok(answer);
    }
    let keys = deps.keys.load_keys().await.map_err(|error| Problem::unavailable(SOON, &error))?;
    let keys = JsonWebKeySet { keys: keys.into_iter().map(JsonWebKey::from).collect() };
    let answer = Response { media_type: MEDIA_TYPE, ..Response::json(StatusCode::OK, &keys)? };
    let answer = answer.header("cache-control", format!("public, max-age={}", MAX_AGE.as_secs()));
    *deps.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((answer.clone(), now));
    Ok(answer)
}

impl From<PublicKey> for JsonWebKey {
    fn from(PublicKey { kid, x }: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", x, kid, usage: "sig", alg: "EdDSA" }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use auth::LoadKeysError;
    use http_api::problem_types;
    use kernel::testing::FixedClock;
    use lambda_http::Body;
    use serde_json::json;

    use super::*;
    use crate::domain::PROPAGATION_DELAY;
    use crate::testing::{body_of, now};

    /// Answers as its loads are meant to end, and then with nothing more.
    struct Source(Mutex<VecDeque<Result<Vec<PublicKey>, LoadKeysError>>>);

    impl LoadKeys for Source {
        async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
            self.0.lock().unwrap().pop_front().unwrap()
        }
    }

    fn deps(loads: impl Into<VecDeque<Result<Vec<PublicKey>, LoadKeysError>>>) -> Jwks<Source, FixedClock> {
        Jwks::new(Source(Mutex::new(loads.into())), FixedClock(now()))
    }

    fn key() -> PublicKey {
        // RFC 8037, appendices A.2 and A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        PublicKey { kid: KeyId::new("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"), x }
    }

    fn refused() -> Result<Vec<PublicKey>, LoadKeysError> {
        Err(LoadKeysError("no answer".to_owned()))
    }

    async fn ask(deps: &Jwks<Source, FixedClock>) -> Result<Response, Problem> {
        jwks(deps, Request::new(Body::Empty)).await
    }

    #[tokio::test]
    async fn a_key_is_told_as_rfc_8037_has_it_and_may_be_kept_for_less_than_the_next_one_waits() {
        let answer = ask(&deps([Ok(vec![key()])])).await.unwrap();
        assert_eq!(
            body_of(&answer),
            json!({"keys": [{
                "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA"
            }]})
        );
        assert_eq!((answer.status, answer.media_type), (StatusCode::OK, "application/jwk-set+json"));
        assert_eq!(answer.headers, [("cache-control", "public, max-age=600".to_owned())]);
        assert!(HELD_FOR + MAX_AGE < PROPAGATION_DELAY);
    }

    #[tokio::test]
    async fn the_table_is_asked_once_in_a_while_however_many_ask() {
        let mut deps = deps([Ok(vec![]), Ok(vec![key()])]);
        for _ in 0..50 {
            assert_eq!(body_of(&ask(&deps).await.unwrap()), json!({"keys": []}));
        }
        deps.clock.0 = now().plus(HELD_FOR);
        assert_ne!(body_of(&ask(&deps).await.unwrap()), json!({"keys": []}));
    }

    #[tokio::test]
    async fn keys_that_cannot_be_had_are_a_503_also_where_there_were_some_a_while_ago() {
        let mut deps = deps([refused(), Ok(vec![key()]), refused()]);
        assert_eq!(ask(&deps).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
        assert!(ask(&deps).await.is_ok());
        deps.clock.0 = now().plus(HELD_FOR);
        assert_eq!(ask(&deps).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
    }
}
