//! `POST /api/auth/login`: signs in with tokens in the body and without cookies, for clients other than browsers.

use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random};
use lambda_http::http::StatusCode;

use super::client_info::caller;
use super::credentials::Credentials;
use super::tokens::Tokens;
use crate::app::sign_in::SignIn;
use crate::store::{AppendAuditEvent, CountAttempt, FindCredential, LoadSigningKey, StartSession};

/// Signs in.
/// # Errors
/// A 400 unless the body has exactly one valid identifier; the same 401 for every reason to reject the credentials; a 429
/// after too many failed attempts.
pub async fn login<S, L, R, C>(deps: &SignIn<S, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: CountAttempt + FindCredential + StartSession + AppendAuditEvent + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let attempt = json_body::<Credentials>(&request)?.try_into_domain(caller(&request))?;
    let (_, grant) = deps.sign_in(&attempt).await?;
    Response::json(StatusCode::OK, &Tokens::from(&grant))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::RefreshToken;
    use crate::http::problem_types;
    use crate::testing::{PASSWORD, ada, body_of, post, sign_in_of_ada, verifier};

    #[tokio::test]
    async fn the_body_holds_the_tokens_and_there_is_no_cookie() {
        for body in [
            json!({"email": "ADA@example.com", "password": PASSWORD}),
            json!({"phone": "+33 6 12 34 56 78", "password": PASSWORD}),
        ] {
            let answer = login(&sign_in_of_ada([]), post(&body)).await.unwrap();
            assert_eq!((answer.status, answer.headers.as_slice()), (StatusCode::OK, [].as_slice()));
            let body = body_of(&answer);
            let token = body["access_token"].as_str().unwrap();
            let refresh_token = body["refresh_token"].as_str().unwrap();
            let expected = json!({
                "access_token": token, "token_type": "Bearer", "expires_in": 900,
                "refresh_token": refresh_token, "refresh_expires_in": 3600
            });
            assert_eq!(body, expected);
            assert_eq!(RefreshToken::parse(refresh_token).unwrap().user, ada().id);
            assert_eq!(verifier().verify(token).await.unwrap().user_id, ada().id);
        }
    }

    #[tokio::test]
    async fn wrong_credentials_are_a_401() {
        let body = json!({"email": "ada@example.com", "password": "wrong"});
        let problem = login(&sign_in_of_ada([]), post(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::INVALID_CREDENTIALS);
    }
}
