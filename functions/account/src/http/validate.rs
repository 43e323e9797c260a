//! `GET /api/auth/validate`: the validity and the claims of an access token.

use auth::table_keys::TableKeys;
use auth::{Claims, Verifier};
use config::{ConfigError, Env};
use http_api::{Problem, Request, Response, claims, problem_types};
use kernel::UserId;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{ACCOUNT, examples};

pub struct State {
    pub verifier: Verifier<TableKeys>,
}

impl State {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub async fn from_env(env: Env) -> Result<Self, ConfigError> {
        let verifier = crate::verifier(&env, aws::dynamodb_client(&env)?)?;
        verifier.warm_up().await;
        Ok(Self { verifier })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
pub(super) struct Validation {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payload: Option<Payload>,
}

#[derive(Serialize, ToSchema)]
struct Payload {
    sub: UserId,
    /// Null if the token has none.
    #[schema(required = true)]
    phone: Option<String>,
    /// Null if the token has none.
    #[schema(required = true)]
    email: Option<String>,
    /// In Unix seconds.
    iat: i64,
    /// In Unix seconds.
    exp: i64,
}

/// Validates the token with the public keys in memory, without a round trip. Whether the session has ended since is
/// answered by `GET /auth/me`.
///
/// # Errors
///
/// A 401 if the token is invalid.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let payload = claims(&state.verifier, &request).await?.map(Payload::from);
    Response::json(StatusCode::OK, &Validation { valid: payload.is_some(), payload })
}

impl From<Claims> for Payload {
    fn from(claims: Claims) -> Self {
        Self { sub: claims.sub, phone: claims.phone_number, email: claims.email, iat: claims.iat, exp: claims.exp }
    }
}

pub(super) fn describe() -> Endpoint {
    let payload = json!({"sub": examples::USER_ID, "phone": examples::PHONE, "email": examples::EMAIL, "iat": 1_769_860_800, "exp": 1_769_861_700});
    Endpoint::new("get", "/api/auth/validate", ACCOUNT, "validateToken", "Validate a token")
        .description(
            "Checks signature and expiry without a database read; `GET /auth/me` also checks that the session is still active. \
             Without a token the response is `{\"valid\": false}`.",
        )
        .optionally_authenticated()
        .response::<Validation>(200, "The validity and the claims.", &json!({"valid": true, "payload": payload}))
        .problems(&[&problem_types::UNAUTHENTICATED])
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;
    use crate::testing::{TestApp, ada, body_of, now, request_issued_at, session_and_token, with_header};
    use kernel::Timestamp;

    fn request(issued_at: Timestamp) -> Request {
        request_issued_at(&session_and_token(5).0, issued_at)
    }

    #[tokio::test]
    async fn valid_token_returns_its_claims() {
        let app = TestApp::new().await;
        let state = State { verifier: app.verifier };
        let response = handle(&state, request(now())).await.unwrap();
        let (iat, exp) = (now().unix_seconds(), now().unix_seconds() + 900);
        let payload = json!({
            "sub": ada().id, "phone": "+33612345678", "email": "ada@example.com", "iat": iat, "exp": exp
        });
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, json!({"valid": true, "payload": payload})));
        assert!(app.engine.round_trips().is_empty());
    }

    #[tokio::test]
    async fn missing_token_is_not_valid() {
        let state = State { verifier: TestApp::new().await.verifier };
        let response = handle(&state, Request::new(Body::Empty)).await.unwrap();
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, json!({"valid": false})));
    }

    #[tokio::test]
    async fn invalid_or_expired_token_is_a_401() {
        let state = State { verifier: TestApp::new().await.verifier };
        let an_hour_ago = Timestamp::from_unix_seconds(now().unix_seconds() - 3600).unwrap();
        for request in [with_header("cookie", "access_token=a.b.c"), request(an_hour_ago)] {
            let problem = handle(&state, request).await.unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        }
    }

    #[tokio::test]
    async fn token_is_a_503_while_the_keys_cannot_be_loaded() {
        let app = TestApp::new().await;
        let state = State { verifier: app.new_verifier() };
        app.engine.reject("Query", 3, "ThrottlingException");
        let problem = handle(&state, request(now())).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
    }
}
