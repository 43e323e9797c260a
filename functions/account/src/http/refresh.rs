//! `POST /auth/refresh`: returns new tokens, in the body or in cookies as the refresh token was sent.

use http_api::{Problem, Request, Response, json_body, problem_types};
use kernel::Secret;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::tokens::Tokens;
use super::{ACCOUNT, cookies, examples, problems};
use crate::app::error::AccountError;
pub use crate::app::refresh_session::RefreshSession as State;
use crate::app::token_issuer::TokenPair;
use crate::domain::RefreshTokenRejection;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refresh)]
pub(super) struct Body {
    #[schema(value_type = String, format = Password)]
    refresh_token: Secret<String>,
}

/// The lifetimes of the tokens, which are in `HttpOnly` cookies.
#[derive(Serialize, ToSchema)]
#[schema(as = RefreshedCookies)]
pub(super) struct Lifetimes {
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Seconds until the session expires unless it is refreshed.
    refresh_expires_in: u64,
}

/// # Errors
///
/// The same 401 for every reason to reject the token. It clears the cookies if the token came in one, unless another tab
/// has replaced it. A 400 if there are cookies with different tokens.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let client = client_info(&request);
    if !request.body().is_empty() {
        let token = json_body::<Body>(&request)?.refresh_token;
        let tokens = state.refresh(Some(&token), &client).await?;
        return Response::json(StatusCode::OK, &Tokens::from(&tokens));
    }
    let token = cookies::refresh_token(&request)?;
    match state.refresh(token.as_ref(), &client).await {
        Ok(tokens) => {
            let response = Response::json(StatusCode::OK, &Lifetimes::from(&tokens))?;
            Ok(cookies::set_both(response, &tokens, &request))
        }
        Err(error) => {
            // The browser may have received the tokens of the new epoch meanwhile, in a response to another tab.
            let keeps_cookies = matches!(error, AccountError::InvalidRefreshToken(RefreshTokenRejection::Superseded));
            let mut problem = Problem::from(error);
            if token.is_some() && *problem.problem_type == problems::INVALID_REFRESH_TOKEN && !keeps_cookies {
                problem.headers.extend(cookies::cleared(&request));
            }
            Err(problem)
        }
    }
}

impl From<&TokenPair> for Lifetimes {
    fn from(tokens: &TokenPair) -> Self {
        Self { expires_in: tokens.access.expires_in.as_secs(), refresh_expires_in: tokens.refresh_expires_in.as_secs() }
    }
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/auth/refresh", ACCOUNT, "refresh", "Refresh tokens")
        .description(
            "A refresh token is valid once. If the response was lost, send the token again within ten seconds to get the \
             same response. After that, reuse of a token ends the session.",
        )
        .optional_request_body::<Body>(&[("token in the body", json!({"refresh_token": examples::REFRESH_TOKEN}))])
        .refresh_token_cookie("Sent by browsers. Used if there is no body.")
        .either_response::<Tokens<'_>, Lifetimes>(
            200,
            "The new tokens: in the body if the request sent the refresh token in the body, otherwise in cookies.",
            &[("token in the body", examples::tokens()), ("cookies", json!({"expires_in": 900, "refresh_expires_in": 3600}))],
        )
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problems::INVALID_REFRESH_TOKEN, &problem_types::UNAVAILABLE])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::SessionId;
    use kernel::testing::SeededRandom;
    use lambda_http::Body as HttpBody;
    use lambda_http::http::HeaderValue;

    use super::*;
    use crate::domain::RefreshToken;
    use crate::testing::{TestApp, body_of, cookie_of, pointers, post, session_and_token, with_header};

    struct Scene {
        app: TestApp,
        state: State,
        session: SessionId,
        token: String,
    }

    impl Scene {
        /// Ada has a session and its refresh token.
        async fn new() -> Self {
            let app = TestApp::with_ada().await;
            let (session, token) = session_and_token(2);
            app.start(session.clone()).await;
            let state = app.refresh_session().await;
            Self { app, state, session: session.id, token: token.to_text().expose().clone() }
        }

        async fn refresh(&self, request: Request) -> Result<Response, Problem> {
            handle(&self.state, request).await
        }
    }

    fn in_body(token: &str) -> Request {
        post(&json!({"refresh_token": token}))
    }

    fn in_cookie(token: &str) -> Request {
        with_header("cookie", &format!("refresh_token={token}"))
    }

    #[tokio::test]
    async fn token_in_the_body_returns_tokens_in_the_body() {
        let scene = Scene::new().await;
        let mut request = in_body(&scene.token);
        request.headers_mut().insert("cookie", "refresh_token=another".parse().unwrap());
        let response = scene.refresh(request).await.unwrap();
        assert_eq!(response.headers, []);
        let body = body_of(&response);
        let (access, refresh) = (body["access_token"].as_str().unwrap(), body["refresh_token"].as_str().unwrap());
        let expected = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 900,
            "refresh_token": refresh, "refresh_expires_in": 3600
        });
        assert_eq!(body, expected);
        assert_eq!(scene.app.verifier.verify(access).await.unwrap().session_id, scene.session);
        assert!(scene.refresh(in_body(refresh)).await.is_ok());
    }

    #[tokio::test]
    async fn token_in_a_cookie_returns_tokens_in_cookies() {
        let scene = Scene::new().await;
        let response = scene.refresh(in_cookie(&scene.token)).await.unwrap();
        assert_eq!(body_of(&response), json!({"expires_in": 900, "refresh_expires_in": 3600}));
        let access = cookie_of(&response, "access_token").unwrap();
        assert_eq!(scene.app.verifier.verify(&access).await.unwrap().session_id, scene.session);
        let next = cookie_of(&response, "refresh_token").unwrap();
        assert!(scene.refresh(in_cookie(&next)).await.is_ok());
    }

    #[tokio::test]
    async fn every_invalid_token_is_the_same_401() {
        let scene = Scene::new().await;
        let (_, unknown) = session_and_token(3);
        scene.refresh(in_body(&scene.token)).await.unwrap();
        scene.app.clock.advance(Duration::from_mins(1));
        let mut problems = Vec::new();
        for other in [unknown.to_text().expose().as_str(), "made up", "", &scene.token, &scene.token] {
            let problem = scene.refresh(in_body(other)).await.unwrap_err();
            assert_eq!(problem.problem_type, &problems::INVALID_REFRESH_TOKEN);
            problems.push((problem.detail, problem.headers));
        }
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:#?}");
        assert_eq!(problems[0].1, [("www-authenticate", "Bearer realm=\"payments\"".to_owned())]);
    }

    #[tokio::test]
    async fn invalid_token_in_a_cookie_clears_the_cookies() {
        let scene = Scene::new().await;
        let problem = scene.refresh(in_cookie("made-up")).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::INVALID_REFRESH_TOKEN);
        assert_eq!(problem.headers[1..], cookies::cleared(&Request::default()));
        let problem = scene.refresh(Request::new(HttpBody::Empty)).await.unwrap_err();
        assert_eq!((problem.problem_type, problem.headers.len()), (&problems::INVALID_REFRESH_TOKEN, 1));
    }

    #[tokio::test]
    async fn token_replaced_by_another_tab_keeps_the_cookies() {
        let scene = Scene::new().await;
        let user = scene.app.ada().await.next_version(scene.app.accounts.now()).revoked();
        let session = session_and_token(2).0;
        let next = RefreshToken::new(user.id, scene.session, &SeededRandom::new(9));
        let retained = session.rebind_to_epoch(user.epoch, &next, crate::testing::LIFETIMES, session.started_at);
        scene.app.retain_session(user, retained).await;

        let problem = scene.refresh(in_cookie(&scene.token)).await.unwrap_err();
        assert_eq!((problem.problem_type, problem.headers.len()), (&problems::INVALID_REFRESH_TOKEN, 1));
        assert!(scene.refresh(in_cookie(next.to_text().expose())).await.is_ok());
    }

    #[tokio::test]
    async fn cookies_with_different_tokens_are_a_400() {
        let scene = Scene::new().await;
        let mut request = in_cookie(&scene.token);
        request.headers_mut().append("cookie", "refresh_token=another".parse().unwrap());
        let problem = scene.refresh(request).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::INVALID_REQUEST);
        let mut request = in_cookie(&scene.token);
        let same = format!("name=Jos\u{e9}; refresh_token={}", scene.token);
        request.headers_mut().append("cookie", HeaderValue::from_bytes(same.as_bytes()).unwrap());
        assert!(scene.refresh(request).await.is_ok());
    }

    #[tokio::test]
    async fn unavailable_store_is_a_503_that_keeps_the_cookies() {
        let scene = Scene::new().await;
        scene.app.engine.reject("BatchGetItem", 3, "ThrottlingException");
        let problem = scene.refresh(in_cookie(&scene.token)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
        assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
    }

    #[tokio::test]
    async fn body_without_a_token_is_a_400() {
        let scene = Scene::new().await;
        for (body, pointer) in [(json!({}), "/refresh_token"), (json!({"refreshToken": "a"}), "/refreshToken")] {
            let problem = scene.refresh(post(&body)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec![pointer]));
        }
    }
}
