//! `GET /api/auth/validate`: the validity and the claims of an access token.

use auth::table_keys::TableKeys;
use auth::{Claims, Verifier};
use config::{ConfigError, Env};
use http_api::{Problem, Request, Response, claims, problem_types, query_parameter};
use kernel::{SystemClock, SystemRandom, UserId};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{ACCOUNT, examples};
use crate::app::active_session::is_active;
use crate::app::error::AccountError;
use crate::store::AccountTable;

/// The query parameters of this endpoint.
pub const QUERY: &[&str] = &["fresh"];

pub struct State {
    pub verifier: Verifier<TableKeys>,
    pub accounts: AccountTable,
}

impl State {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub async fn from_env(env: Env) -> Result<Self, ConfigError> {
        let client = aws::dynamodb_client(&env)?;
        let accounts = AccountTable::new(client.clone(), env.required("ACCOUNT_TABLE")?, SystemClock, SystemRandom);
        let verifier = crate::verifier(&env, client)?;
        verifier.warm_up().await;
        Ok(Self { verifier, accounts })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
pub(super) struct Validation {
    valid: bool,
    /// Whether the session is active. Present only if `fresh` was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    active: Option<bool>,
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
    /// As of the time of issue.
    email_verified: bool,
    /// As of the time of issue.
    phone_verified: bool,
    /// In Unix seconds.
    iat: i64,
    /// In Unix seconds.
    exp: i64,
}

/// Validates the token with the public keys in memory, without a round trip. If `fresh` is requested, the session is loaded
/// too, in one round trip, and a revoked token is neither valid nor active.
///
/// # Errors
///
/// A 400 unless `fresh` is true or false; a 401 if the token is invalid; a 503 if the session could not be loaded.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let fresh = fresh(&request)?;
    let mut claims = claims(&state.verifier, &request).await?;
    if fresh
        && let Some(found) = &claims
        && !is_active(&state.accounts, found).await.map_err(AccountError::from)?
    {
        claims = None;
    }
    let valid = claims.is_some();
    let active = fresh.then_some(valid);
    Response::json(StatusCode::OK, &Validation { valid, active, payload: claims.map(Payload::from) })
}

fn fresh(request: &Request) -> Result<bool, Problem> {
    match query_parameter(request, "fresh")?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::field("fresh", "must be true or false")),
    }
}

impl From<Claims> for Payload {
    fn from(claims: Claims) -> Self {
        Self {
            sub: claims.sub,
            phone: claims.phone_number,
            email: claims.email,
            email_verified: claims.email_verified,
            phone_verified: claims.phone_number_verified,
            iat: claims.iat,
            exp: claims.exp,
        }
    }
}

pub(super) fn describe() -> Endpoint {
    let payload = json!({
        "sub": examples::USER_ID, "phone": examples::PHONE, "email": examples::EMAIL, "email_verified": true,
        "phone_verified": false, "iat": 1_769_860_800, "exp": 1_769_861_700
    });
    Endpoint::new("get", "/api/auth/validate", ACCOUNT, "validateToken", "Validate a token")
        .description(
            "Checks signature and expiry without a database read. With `fresh=true` the session is read too: a revoked token is \
             `{\"valid\": false, \"active\": false}`. Without a token the response is `{\"valid\": false}`.",
        )
        .optionally_authenticated()
        .query("fresh", "Whether to check that the session is still active.", &json!({"type": "boolean", "default": false}))
        .response::<Validation>(200, "The validity and the claims.", &json!({"valid": true, "payload": payload}))
        .problems(&[&problem_types::UNAUTHENTICATED])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use kernel::Timestamp;
    use lambda_http::{Body, RequestExt};

    use super::*;
    use crate::domain::{AccessTokens, User, UserStatus};
    use crate::testing::{
        TestApp, ada, body_of, now, pointers, request_issued_at, request_of, session_and_token, signing_key,
        with_header,
    };

    fn request(issued_at: Timestamp) -> Request {
        request_issued_at(&session_and_token(5).0, issued_at)
    }

    #[tokio::test]
    async fn valid_token_returns_its_claims() {
        let app = TestApp::new().await;
        let state = State { verifier: app.verifier, accounts: app.accounts };
        let response = handle(&state, request(now())).await.unwrap();
        let (iat, exp) = (now().unix_seconds(), now().unix_seconds() + 900);
        let payload = json!({
            "sub": ada().id, "phone": "+33612345678", "email": "ada@example.com", "email_verified": false,
            "phone_verified": false, "iat": iat, "exp": exp
        });
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, json!({"valid": true, "payload": payload})));
        assert!(app.engine.round_trips().is_empty());
    }

    #[tokio::test]
    async fn missing_token_is_not_valid() {
        let app = TestApp::new().await;
        let state = State { verifier: app.new_verifier(), accounts: app.accounts.clone() };
        let response = handle(&state, Request::new(Body::Empty)).await.unwrap();
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, json!({"valid": false})));
        let response = handle(&state, with_fresh(Request::new(Body::Empty), "true")).await.unwrap();
        assert_eq!(body_of(&response), json!({"valid": false, "active": false}));
        assert!(app.engine.round_trips().is_empty());
    }

    #[tokio::test]
    async fn payload_reports_verification_as_of_issue() {
        let app = TestApp::new().await;
        let user = User { email_verified: true, phone_verified: true, ..ada() };
        let (session, refresh_token) = session_and_token(5);
        let token =
            AccessTokens::new("issuer", "audience").issue(&signing_key(), &user, &session, &refresh_token, now());
        let request = with_header("authorization", &format!("Bearer {}", token.unwrap().expose()));
        let state = State { verifier: app.verifier, accounts: app.accounts };
        let payload = body_of(&handle(&state, request).await.unwrap())["payload"].clone();
        assert_eq!((&payload["email_verified"], &payload["phone_verified"]), (&json!(true), &json!(true)));
    }

    fn with_fresh(request: Request, value: &str) -> Request {
        request.with_query_string_parameters(HashMap::from([("fresh".to_owned(), value.to_owned())]))
    }

    #[tokio::test]
    async fn fresh_validation_rejects_revoked_tokens() {
        let suspend: fn(User) -> User = |user| User { status: UserStatus::Suspended, ..user };
        for change in [None, Some(suspend), Some(User::revoked)] {
            let app = TestApp::with_ada().await;
            let session = app.start_session(5).await;
            let state = State { verifier: app.new_verifier(), accounts: app.accounts.clone() };
            state.verifier.warm_up().await;
            app.engine.round_trips();
            let response = handle(&state, with_fresh(request_of(&session), "true")).await.unwrap();
            let body = body_of(&response);
            assert_eq!((&body["valid"], &body["active"]), (&json!(true), &json!(true)));
            assert_eq!(
                (&body["payload"]["sub"], app.engine.round_trips()),
                (&json!(ada().id), vec!["BatchGetItem".to_owned()])
            );

            match change {
                None => app.end_session(&session).await,
                Some(change) => app.update_ada(change).await,
            }
            let revoked = body_of(&handle(&state, with_fresh(request_of(&session), "true")).await.unwrap());
            assert_eq!(revoked, json!({"valid": false, "active": false}));
            let unchecked = body_of(&handle(&state, with_fresh(request_of(&session), "false")).await.unwrap());
            assert_eq!((&unchecked["valid"], unchecked.get("active")), (&json!(true), None));
        }
    }

    #[tokio::test]
    async fn unknown_value_of_fresh_is_a_400() {
        let app = TestApp::new().await;
        let state = State { verifier: app.verifier, accounts: app.accounts };
        for value in ["", "1", "True", "yes"] {
            let problem = handle(&state, with_fresh(request(now()), value)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec!["/fresh"]), "{value}");
        }
    }

    #[tokio::test]
    async fn fresh_validation_is_a_503_while_the_store_is_unavailable() {
        let app = TestApp::new().await;
        let state = State { verifier: app.verifier, accounts: app.accounts };
        app.engine.reject("BatchGetItem", 3, "ThrottlingException");
        let problem = handle(&state, with_fresh(request(now()), "true")).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
    }

    #[tokio::test]
    async fn invalid_or_expired_token_is_a_401() {
        let app = TestApp::new().await;
        let state = State { verifier: app.verifier, accounts: app.accounts };
        let an_hour_ago = Timestamp::from_unix_seconds(now().unix_seconds() - 3600).unwrap();
        for request in [with_header("cookie", "access_token=a.b.c"), request(an_hour_ago)] {
            let problem = handle(&state, request).await.unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        }
    }

    #[tokio::test]
    async fn validation_is_a_503_while_keys_are_unavailable() {
        let app = TestApp::new().await;
        let state = State { verifier: app.new_verifier(), accounts: app.accounts.clone() };
        app.engine.reject("Query", 3, "ThrottlingException");
        let problem = handle(&state, request(now())).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
    }
}
