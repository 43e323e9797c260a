//! `POST /auth/refresh`: returns new tokens, in the body or in cookies as the refresh token was sent.

use http_api::{Problem, Request, Response, json_body, refresh_token_cookie};
use kernel::{Clock, Random, Secret};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::client_info::caller;
use super::tokens::Tokens;
use super::{cookies, problem_types};
use crate::app::refresh_session::RefreshSession;
use crate::app::token_issuer::TokenPair;
use crate::store::{EndSession, FindSession, LoadSigningKey, RotateRefreshToken};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refresh)]
pub(super) struct Body {
    #[schema(value_type = String, format = Password)]
    refresh_token: Secret<String>,
}

/// The lifetimes of the cookies: all that a page may know of them.
#[derive(Serialize, ToSchema)]
#[schema(as = RefreshedCookies)]
pub(super) struct Lifetimes {
    /// The lifetime of the access token in seconds.
    expires_in: u64,
    /// The idle timeout of the session in seconds.
    refresh_expires_in: u64,
}

/// Refreshes the session.
/// # Errors
/// The same 401 for every reason to reject the token. It clears the cookies if the token came in one.
pub async fn refresh<S, L, R, C>(deps: &RefreshSession<S, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: FindSession + RotateRefreshToken + EndSession + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let caller = caller(&request);
    if !request.body().is_empty() {
        let token = json_body::<Body>(&request)?.refresh_token;
        let grant = deps.refresh(Some(&token), &caller).await?;
        return Response::json(StatusCode::OK, &Tokens::from(&grant));
    }
    let token = refresh_token_cookie(&request);
    match deps.refresh(token.as_ref(), &caller).await.map_err(Problem::from) {
        Ok(grant) => Ok(cookies::set_both(Response::json(StatusCode::OK, &Lifetimes::from(&grant))?, &grant)),
        Err(mut problem) => {
            if token.is_some() && *problem.problem_type == problem_types::INVALID_REFRESH_TOKEN {
                problem.headers.extend(cookies::cleared());
            }
            Err(problem)
        }
    }
}

impl From<&TokenPair> for Lifetimes {
    fn from(grant: &TokenPair) -> Self {
        Self { expires_in: grant.access.expires_in.as_secs(), refresh_expires_in: grant.refresh_expires_in.as_secs() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::SessionId;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use lambda_http::Body as HttpBody;
    use serde_json::json;

    use super::*;
    use crate::testing::sessions::{Sessions, session_and_token};
    use crate::testing::{Key, LIFETIMES, audit_log, body_of, cookie_of, issuer, now, post, verifier};

    type Deps = RefreshSession<Sessions, Key, SeededRandom, FixedClock>;

    /// With Ada's session, and its refresh token.
    fn deps() -> (Deps, SessionId, String) {
        let (session, token) = session_and_token(2);
        let id = session.id;
        (deps_with(Sessions::of_ada([session])), id, token.to_text().expose().clone())
    }

    fn deps_with(sessions: Sessions) -> Deps {
        RefreshSession {
            sessions,
            issuer: issuer(),
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(1),
            clock: FixedClock(now()),
        }
    }

    fn in_body(token: &str) -> Request {
        post(&json!({"refresh_token": token}))
    }

    fn in_cookie(token: &str) -> Request {
        let mut request = Request::new(HttpBody::Empty);
        request.headers_mut().insert("cookie", format!("refresh_token={token}").parse().unwrap());
        request
    }

    #[tokio::test]
    async fn a_token_in_the_body_is_answered_with_tokens_in_the_body_and_no_cookie() {
        let (deps, id, token) = deps();
        let mut request = in_body(&token);
        request.headers_mut().insert("cookie", "refresh_token=another".parse().unwrap());
        let answer = refresh(&deps, request).await.unwrap();
        assert_eq!(answer.headers, []);
        let body = body_of(&answer);
        let (access, refresh) = (body["access_token"].as_str().unwrap(), body["refresh_token"].as_str().unwrap());
        let expected = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 900,
            "refresh_token": refresh, "refresh_expires_in": 3600
        });
        assert_eq!(body, expected);
        assert_eq!(verifier().verify(access).await.unwrap().session_id, id);
        assert!(super::refresh(&deps, in_body(refresh)).await.is_ok());
    }

    #[tokio::test]
    async fn a_token_in_a_cookie_is_answered_with_both_cookies_and_none_in_the_body() {
        let (deps, id, token) = deps();
        let answer = refresh(&deps, in_cookie(&token)).await.unwrap();
        assert_eq!(body_of(&answer), json!({"expires_in": 900, "refresh_expires_in": 3600}));
        let access = cookie_of(&answer, "access_token").unwrap();
        assert_eq!(verifier().verify(&access).await.unwrap().session_id, id);
        let next = cookie_of(&answer, "refresh_token").unwrap();
        assert!(refresh(&deps, in_cookie(&next)).await.is_ok());
    }

    #[tokio::test]
    async fn every_token_that_is_not_good_is_one_and_the_same_401() {
        let (mut deps, _, token) = deps();
        let (_, unknown) = session_and_token(3);
        refresh(&deps, in_body(&token)).await.unwrap();
        deps.clock.0 = now().plus(Duration::from_mins(1));
        let mut problems = Vec::new();
        for other in [unknown.to_text().expose().as_str(), "made up", "", &token, &token] {
            let problem = refresh(&deps, in_body(other)).await.unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::INVALID_REFRESH_TOKEN);
            problems.push((problem.detail, problem.headers));
        }
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:#?}");
        assert_eq!(problems[0].1, [("www-authenticate", "Bearer realm=\"payments\"".to_owned())]);
    }

    #[tokio::test]
    async fn cookies_are_cleared_where_the_token_came_in_one_and_is_not_good() {
        let (deps, _, _) = deps();
        let problem = refresh(&deps, in_cookie("made-up")).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::INVALID_REFRESH_TOKEN);
        assert_eq!(problem.headers[1..], cookies::cleared());
        let problem = refresh(&deps, Request::new(HttpBody::Empty)).await.unwrap_err();
        assert_eq!((problem.problem_type, problem.headers.len()), (&problem_types::INVALID_REFRESH_TOKEN, 1));
    }

    #[tokio::test]
    async fn a_table_that_does_not_answer_is_a_503_that_leaves_the_cookies() {
        let (_, _, token) = deps();
        let problem = refresh(&deps_with(Sessions::busy()), in_cookie(&token)).await.unwrap_err();
        assert_eq!(problem.problem_type, &http_api::problem_types::UNAVAILABLE);
        assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
    }

    #[tokio::test]
    async fn a_body_that_names_no_token_is_a_400() {
        for (body, pointer) in [(json!({}), "/refresh_token"), (json!({"refreshToken": "a"}), "/refreshToken")] {
            let problem = refresh(&deps().0, post(&body)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, problem.errors[0].pointer.as_str()), (400, pointer));
        }
    }
}
