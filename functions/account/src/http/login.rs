//! `POST /api/auth/login`: signs in with tokens in the body and without cookies, for clients other than browsers.

use http_api::{Problem, Request, Response, json_body, problem_types};
use lambda_http::http::StatusCode;
use openapi::Endpoint;

use super::client_info::client_info;
use super::credentials::Credentials;
use super::tokens::Tokens;
use super::{ACCOUNT, examples, problems};
pub use crate::app::sign_in::SignIn as State;

/// # Errors
///
/// A 400 unless the body has exactly one valid identifier; the same 401 for every reason to reject the credentials; a 429
/// after too many failed attempts.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let sign_in = json_body::<Credentials>(&request)?.try_into_domain(client_info(&request))?;
    let (_, tokens) = state.sign_in(&sign_in).await?;
    Response::json(StatusCode::OK, &Tokens::from(&tokens))
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/api/auth/login", ACCOUNT, "logIn", "Sign in (tokens in the body)")
        .request_body::<Credentials>(&examples::credentials())
        .response::<Tokens<'_>>(
            200,
            "Send the access token as `Authorization: Bearer`, and the refresh token to `/auth/refresh`.",
            &examples::tokens(),
        )
        .problems(&[
            &problems::INVALID_CREDENTIALS,
            &problems::TOO_MANY_ATTEMPTS,
            &problems::ATTEMPTS_IN_PROGRESS,
            &problem_types::UNAVAILABLE,
        ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::RefreshToken;
    use crate::testing::{PASSWORD, TestApp, ada, body_of, post};

    #[tokio::test]
    async fn tokens_are_in_the_body_and_no_cookie_is_set() {
        let app = TestApp::with_ada().await;
        let state = app.sign_in().await;
        for body in [
            json!({"email": "ADA@example.com", "password": PASSWORD}),
            json!({"phone": "+33 6 12 34 56 78", "password": PASSWORD}),
        ] {
            let response = handle(&state, post(&body)).await.unwrap();
            assert_eq!((response.status, response.headers.as_slice()), (StatusCode::OK, [].as_slice()));
            let body = body_of(&response);
            let token = body["access_token"].as_str().unwrap();
            let refresh_token = body["refresh_token"].as_str().unwrap();
            let expected = json!({
                "access_token": token, "token_type": "Bearer", "expires_in": 900,
                "refresh_token": refresh_token, "refresh_expires_in": 3600
            });
            assert_eq!(body, expected);
            assert_eq!(RefreshToken::parse(refresh_token).unwrap().user, ada().id);
            assert_eq!(app.verifier.verify(token).await.unwrap().user_id, ada().id);
        }
    }

    #[tokio::test]
    async fn wrong_credentials_are_a_401() {
        let app = TestApp::with_ada().await;
        let body = json!({"email": "ada@example.com", "password": "wrong"});
        let problem = handle(&app.sign_in().await, post(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::INVALID_CREDENTIALS);
    }
}
