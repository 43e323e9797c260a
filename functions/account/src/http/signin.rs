//! `POST /auth/signin`: signs in with tokens in cookies.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response, json_body, problem_types};
use kernel::UserId;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::credentials::Credentials;
use super::{ACCOUNT, cookies, examples, problems};
pub use crate::app::sign_in::SignIn as State;
use crate::domain::User;

#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn<'a> {
    id: UserId,
    #[schema(value_type = Email)]
    email: &'a str,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
}

/// # Errors
///
/// A 400 unless the body has exactly one valid identifier; the same 401 for every reason to reject the credentials; a 429
/// after too many failed attempts.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let sign_in = json_body::<Credentials>(&request)?.try_into_domain(client_info(&request))?;
    let (user, tokens) = state.sign_in(&sign_in).await?;
    let response = Response::json(StatusCode::OK, &SignedIn::from(&user))?;
    Ok(cookies::set_both(response, &tokens, &request))
}

impl<'a> From<&'a User> for SignedIn<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: user.id, email: user.email.as_str(), phone: user.phone.as_ref().map(Phone::as_str) }
    }
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/auth/signin", ACCOUNT, "signIn", "Sign in (tokens in cookies)")
        .request_body::<Credentials>(&examples::credentials())
        .response::<SignedIn<'_>>(
            200,
            "The signed-in user.",
            &json!({"id": examples::USER_ID, "email": examples::EMAIL, "phone": null}),
        )
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[
            &problems::INVALID_CREDENTIALS,
            &problems::TOO_MANY_ATTEMPTS,
            &problems::ATTEMPTS_IN_PROGRESS,
            &problem_types::UNAVAILABLE,
        ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::throttle::BURST;
    use crate::domain::{Identifier, RefreshToken};
    use crate::testing::{PASSWORD, TestApp, ada, body_of, cookie_of, pointers, post};

    #[tokio::test]
    async fn response_has_the_user_and_tokens_only_in_cookies() {
        let app = TestApp::with_ada().await;
        let state = app.sign_in().await;
        for body in [
            json!({"email": "ADA@example.com", "password": PASSWORD}),
            json!({"phone": "+33 6 12 34 56 78", "password": PASSWORD}),
        ] {
            let response = handle(&state, post(&body)).await.unwrap();
            let user = json!({"id": ada().id, "email": "ada@example.com", "phone": "+33612345678"});
            assert_eq!((response.status, body_of(&response)), (StatusCode::OK, user));

            let token = cookie_of(&response, "access_token").unwrap();
            let principal = app.verifier.verify(&token).await.unwrap();
            let refresh_token = RefreshToken::parse(&cookie_of(&response, "refresh_token").unwrap()).unwrap();
            assert_eq!((principal.user_id, principal.session_id), (refresh_token.user, refresh_token.session));
            assert!(!response.body.contains(&token));
        }
    }

    #[tokio::test]
    async fn wrong_password_and_unknown_identifier_are_the_same_401() {
        let app = TestApp::with_ada().await;
        let state = app.sign_in().await;
        let mut problems = Vec::new();
        for body in [
            json!({"email": "ada@example.com", "password": "wrong"}),
            json!({"email": "bob@example.com", "password": PASSWORD}),
            json!({"phone": "+33600000000", "password": PASSWORD}),
        ] {
            let problem = handle(&state, post(&body)).await.unwrap_err();
            assert_eq!(problem.problem_type, &problems::INVALID_CREDENTIALS);
            problems.push(format!("{problem:?}"));
        }
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:#?}");
    }

    #[tokio::test]
    async fn missing_signing_key_is_a_503() {
        let app = TestApp::with_ada().await;
        let state = State { issuer: app.issuer_without_key(), ..app.sign_in().await };
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        assert_eq!(handle(&state, post(&body)).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
    }

    #[tokio::test]
    async fn rate_limited_identifier_is_a_429_with_retry_after() {
        let app = TestApp::with_ada().await;
        app.fail_attempts(&Identifier::Email(ada().email), BURST).await;
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let problem = handle(&app.sign_in().await, post(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::TOO_MANY_ATTEMPTS);
        assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
    }

    #[tokio::test]
    async fn missing_password_is_a_400() {
        let app = TestApp::with_ada().await;
        let problem = handle(&app.sign_in().await, post(&json!({"email": "ada@example.com"}))).await.unwrap_err();
        assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec!["/password"]));
    }
}
