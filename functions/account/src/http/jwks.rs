//! `GET /.well-known/jwks.json`: the public keys of access tokens.

use std::sync::Arc;
use std::time::Duration;

use auth::table_keys::TableKeys;
use auth::{LoadKeys, LoadKeysError, PublicKey};
use cache::Cached;
use config::{ConfigError, Env};
use http_api::{Problem, Request, Response, problem_types};
use kernel::{Clock, KeyId, SystemClock};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ACCOUNT;

/// RFC 7517, section 8.5.2.
const MEDIA_TYPE: &str = "application/jwk-set+json";
/// The time for which the keys are cached in memory: at most one query per ten seconds and execution environment.
const CACHE_TTL: Duration = Duration::from_secs(10);
/// The time for which clients may cache the response. Together with [`CACHE_TTL`] it is far shorter than the time for which a
/// key is published before it signs.
const MAX_AGE: Duration = Duration::from_mins(10);
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub struct State {
    keys: TableKeys,
    clock: Arc<dyn Clock + Send + Sync>,
    cached: Cached<Vec<PublicKey>, LoadKeysError>,
}

impl State {
    pub fn new(keys: TableKeys, clock: impl Clock + Send + Sync + 'static) -> Self {
        Self { keys, clock: Arc::new(clock), cached: Cached::new(CACHE_TTL, Duration::ZERO) }
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let keys = TableKeys::new(aws::dynamodb_client(env)?, env.required("ACCOUNT_TABLE")?);
        Ok(Self::new(keys, SystemClock))
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
///
/// # Errors
///
/// A 503 if the keys cannot be loaded. A stale response is not used: it may lack a key, and clients have their own copy.
pub async fn handle(state: &State, _request: Request) -> Result<Response, Problem> {
    let keys = state.cached.get(state.clock.now(), || state.keys.load_keys()).await;
    let keys = keys.map_err(|error| Problem::unavailable(RETRY_AFTER, &error))?;
    let keys = JsonWebKeySet { keys: keys.into_iter().map(JsonWebKey::from).collect() };
    let response = Response { media_type: MEDIA_TYPE, ..Response::json(StatusCode::OK, &keys)? };
    Ok(response.header("cache-control", format!("public, max-age={}", MAX_AGE.as_secs())))
}

impl From<PublicKey> for JsonWebKey {
    fn from(PublicKey { kid, x }: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", x, kid, usage: "sig", alg: "EdDSA" }
    }
}

pub(super) fn describe() -> Endpoint {
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA"
    });
    Endpoint::new("get", "/.well-known/jwks.json", ACCOUNT, "getJwks", "Get the public keys (JWKS)")
        .description("The public keys of access tokens (RFC 7517). A key is published an hour before it signs, and stays until the last token \
             it signed has expired.")
        .response_in::<JsonWebKeySet>(MEDIA_TYPE, 200, "The keys.", &json!({"keys": [key]}))
        .with_header(200, "Cache-Control", "CacheControl")
        .problems(&[&problem_types::UNAVAILABLE])
}

#[cfg(test)]
mod tests {
    use kernel::testing::ManualClock;
    use lambda_http::Body;

    use super::*;
    use crate::domain::PROPAGATION_DELAY;
    use crate::testing::{TestApp, body_of, now, signing_key};

    fn state(app: &TestApp) -> (State, ManualClock) {
        let clock = ManualClock::at(now());
        (State::new(TableKeys::new(app.engine.client.clone(), "AccountTable"), clock.clone()), clock)
    }

    async fn get(state: &State) -> Result<Response, Problem> {
        handle(state, Request::new(Body::Empty)).await
    }

    #[test]
    fn key_has_the_members_of_rfc_8037() {
        // RFC 8037, appendices A.2 and A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let kid = KeyId::new("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let expected = json!({
            "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"
        });
        assert_eq!(serde_json::to_value(JsonWebKey::from(PublicKey { kid, x })).unwrap(), expected);
    }

    #[tokio::test]
    async fn published_keys_are_returned_with_a_max_age() {
        let (state, _) = state(&TestApp::new().await);
        let response = get(&state).await.unwrap();
        let body = body_of(&response);
        let [key] = &body["keys"].as_array().unwrap()[..] else { panic!() };
        assert_eq!((&key["kid"], &key["x"]), (&json!(signing_key().kid()), &json!(signing_key().public_key())));
        assert_eq!((response.status, response.media_type), (StatusCode::OK, "application/jwk-set+json"));
        assert_eq!(response.headers, [("cache-control", "public, max-age=600".to_owned())]);
        assert!(CACHE_TTL + MAX_AGE < PROPAGATION_DELAY);
    }

    #[tokio::test]
    async fn table_is_queried_once_per_cache_ttl() {
        let app = TestApp::without_signing_key().await;
        let (state, clock) = state(&app);
        for _ in 0..50 {
            assert_eq!(body_of(&get(&state).await.unwrap()), json!({"keys": []}));
        }
        assert_eq!(app.engine.round_trips(), ["Query"]);
        app.create_signing_key(&signing_key()).await;
        clock.advance(CACHE_TTL);
        assert_ne!(body_of(&get(&state).await.unwrap()), json!({"keys": []}));
    }

    #[tokio::test]
    async fn failed_load_is_a_503_even_after_a_success() {
        let app = TestApp::new().await;
        let (state, clock) = state(&app);
        let fail = || app.engine.reject("Query", 3, "ThrottlingException");
        fail();
        assert_eq!(get(&state).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
        assert!(get(&state).await.is_ok());
        clock.advance(CACHE_TTL);
        fail();
        assert_eq!(get(&state).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
    }
}
