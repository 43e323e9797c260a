//! `POST /auth/signin`: signs in with tokens in cookies.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random, UserId};
use lambda_http::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::client_info::caller;
use super::cookies;
use super::credentials::Credentials;
use crate::app::sign_in::SignIn;
use crate::domain::User;
use crate::store::{AppendAuditEvent, CountAttempt, FindCredential, LoadSigningKey, StartSession};

#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn<'a> {
    id: UserId,
    #[schema(value_type = Email)]
    email: &'a str,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
}

/// Signs in.
/// # Errors
/// A 400 unless the body has exactly one valid identifier; the same 401 for every reason to reject the credentials; a 429
/// after too many failed attempts.
pub async fn signin<S, L, R, C>(deps: &SignIn<S, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: CountAttempt + FindCredential + StartSession + AppendAuditEvent + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let attempt = json_body::<Credentials>(&request)?.try_into_domain(caller(&request))?;
    let (user, grant) = deps.sign_in(&attempt).await?;
    Ok(cookies::set_both(Response::json(StatusCode::OK, &SignedIn::from(&user))?, &grant))
}

impl<'a> From<&'a User> for SignedIn<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: user.id, email: user.email.as_str(), phone: user.phone.as_ref().map(Phone::as_str) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::cached_signing_key::CachedSigningKey;
    use crate::app::token_issuer::TokenIssuer;
    use crate::domain::RefreshToken;
    use crate::http::problem_types;
    use crate::testing::{Key, PASSWORD, ada, body_of, cookie_of, issuer, post, sign_in_of_ada, verifier};

    #[tokio::test]
    async fn the_answer_says_who_signed_in_and_only_cookies_hold_the_tokens() {
        for body in [
            json!({"email": "ADA@example.com", "password": PASSWORD}),
            json!({"phone": "+33 6 12 34 56 78", "password": PASSWORD}),
        ] {
            let answer = signin(&sign_in_of_ada([]), post(&body)).await.unwrap();
            let user = json!({"id": ada().id, "email": "ada@example.com", "phone": "+33612345678"});
            assert_eq!((answer.status, body_of(&answer)), (StatusCode::OK, user));

            let token = cookie_of(&answer, "access_token").unwrap();
            let principal = verifier().verify(&token).await.unwrap();
            let refresh_token = RefreshToken::parse(&cookie_of(&answer, "refresh_token").unwrap()).unwrap();
            assert_eq!((principal.user_id, principal.session_id), (refresh_token.user, refresh_token.session));
            assert!(!answer.body.contains(&token));
        }
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_identifier_are_one_problem() {
        let mut problems = Vec::new();
        for body in [
            json!({"email": "ada@example.com", "password": "wrong"}),
            json!({"email": "bob@example.com", "password": PASSWORD}),
            json!({"phone": "+33600000000", "password": PASSWORD}),
        ] {
            let problem = signin(&sign_in_of_ada([]), post(&body)).await.unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::INVALID_CREDENTIALS);
            problems.push(format!("{problem:?}"));
        }
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:#?}");
    }

    #[tokio::test]
    async fn without_a_key_the_answer_is_to_try_again() {
        let issuer = TokenIssuer { signing_key: CachedSigningKey::new(Key(None)), ..issuer() };
        let keyless = SignIn { issuer, ..sign_in_of_ada([]) };
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let problem = signin(&keyless, post(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type, &http_api::problem_types::UNAVAILABLE);
    }

    #[tokio::test]
    async fn an_identifier_that_has_to_wait_is_a_429_that_says_how_long() {
        let mut locked = sign_in_of_ada([]);
        locked.users.locked = Some(std::time::Duration::from_millis(7500));
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let problem = signin(&locked, post(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::TOO_MANY_ATTEMPTS);
        assert_eq!(problem.headers, [("retry-after", "8".to_owned())]);
    }

    #[tokio::test]
    async fn a_password_is_required() {
        let problem = signin(&sign_in_of_ada([]), post(&json!({"email": "ada@example.com"}))).await.unwrap_err();
        assert_eq!((problem.problem_type.status, problem.errors[0].pointer.as_str()), (400, "/password"));
    }
}
