//! `POST /api/auth/login`: a session, and an access token for it in the body. For clients that are no browsers: it sets
//! no cookie.

use kernel::{Clock, Random};
use lambda_http::http::StatusCode;
use runtime::http::{Answer, Problem, Request, json_body};
use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::Credentials;
use crate::sign_in::SignIn;
use crate::store::{FindCredential, LoadSigningKey, StartSession};

/// A successful response of OAuth 2.0 (RFC 6749, section 5.1), with its names.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn<'a> {
    access_token: &'a str,
    /// Always Bearer.
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
}

/// Answers one request.
///
/// # Errors
///
/// A 400 if it names no identifier, two, or one that cannot be; otherwise the same 401 whatever the cause.
pub async fn login<S, L, R, C>(deps: &SignIn<S, L, R, C>, request: Request) -> Result<Answer, Problem>
where
    S: FindCredential + StartSession + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let attempt = json_body::<Credentials>(&request)?.try_into_domain()?;
    let (_, token) = deps.sign_in(&attempt).await?;
    let logged_in =
        LoggedIn { access_token: token.expose(), token_type: "Bearer", expires_in: deps.tokens.lifetime().as_secs() };
    Answer::json(StatusCode::OK, &logged_in)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::kinds;
    use crate::testing::{PASSWORD, ada, body_of, post, sign_in_of_ada, verifier};

    #[tokio::test]
    async fn the_body_holds_the_token_and_there_is_no_cookie() {
        for body in [
            json!({"email": "ADA@example.com", "password": PASSWORD}),
            json!({"phone": "+33 6 12 34 56 78", "password": PASSWORD}),
        ] {
            let answer = login(&sign_in_of_ada([]), post(&body)).await.unwrap();
            assert_eq!((answer.status, answer.headers.as_slice()), (StatusCode::OK, [].as_slice()));
            let body = body_of(&answer);
            let token = body["access_token"].as_str().unwrap();
            assert_eq!(body, json!({"access_token": token, "token_type": "Bearer", "expires_in": 900}));
            assert_eq!(verifier().verify(token).await.unwrap().user_id, ada().id);
        }
    }

    #[tokio::test]
    async fn wrong_credentials_are_a_401() {
        let body = json!({"email": "ada@example.com", "password": "wrong"});
        let problem = login(&sign_in_of_ada([]), post(&body)).await.unwrap_err();
        assert_eq!(problem.kind, &kinds::INVALID_CREDENTIALS);
    }
}
