//! `POST /auth/signin`: a session, and an access token for it in a cookie.

use contact::{Email, Phone};
use kernel::{Clock, Random, UserId};
use lambda_http::http::StatusCode;
use runtime::http::{Answer, Problem, Request, json_body};
use serde::Serialize;
use utoipa::ToSchema;

use super::cookie;
use super::credentials::Credentials;
use crate::domain::Person;
use crate::sign_in::SignIn;
use crate::store::{FindCredential, LoadSigningKey, StartSession};

/// Who has signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn<'a> {
    id: UserId,
    #[schema(value_type = Email)]
    email: &'a str,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
}

/// Answers one request.
///
/// # Errors
///
/// A 400 if it names no identifier, two, or one that cannot be; otherwise the same 401 whatever the cause.
pub async fn signin<S, L, R, C>(deps: &SignIn<S, L, R, C>, request: Request) -> Result<Answer, Problem>
where
    S: FindCredential + StartSession + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let attempt = json_body::<Credentials>(&request)?.try_into_domain()?;
    let (person, token) = deps.sign_in(&attempt).await?;
    let answer = Answer::json(StatusCode::OK, &SignedIn::from(&person))?;
    Ok(answer.header("set-cookie", cookie::set_access_token(&token, deps.tokens.lifetime())))
}

impl<'a> From<&'a Person> for SignedIn<'a> {
    fn from(person: &'a Person) -> Self {
        Self { id: person.id, email: person.email.as_str(), phone: person.phone.as_ref().map(Phone::as_str) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::current_key::CurrentKey;
    use crate::http::kinds;
    use crate::testing::{Key, PASSWORD, ada, body_of, post, sign_in_of_ada, verifier};

    #[tokio::test]
    async fn the_answer_says_who_signed_in_and_only_the_cookie_holds_the_token() {
        for body in [
            json!({"email": "ADA@example.com", "password": PASSWORD}),
            json!({"phone": "+33 6 12 34 56 78", "password": PASSWORD}),
        ] {
            let answer = signin(&sign_in_of_ada([]), post(&body)).await.unwrap();
            let person = json!({"id": ada().id, "email": "ada@example.com", "phone": "+33612345678"});
            assert_eq!((answer.status, body_of(&answer)), (StatusCode::OK, person));

            let [("set-cookie", cookie)] = answer.headers.as_slice() else { panic!("{:?}", answer.headers) };
            let (token, attributes) = cookie.strip_prefix("access_token=").unwrap().split_once("; ").unwrap();
            assert_eq!(attributes, "Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax");
            assert_eq!(verifier().verify(token).await.unwrap().user_id, ada().id);
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
            assert_eq!(problem.kind, &kinds::INVALID_CREDENTIALS);
            problems.push(format!("{problem:?}"));
        }
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:#?}");
    }

    #[tokio::test]
    async fn without_a_key_the_answer_is_to_try_again() {
        let keyless = SignIn { signing_key: CurrentKey::new(Key(None)), ..sign_in_of_ada([]) };
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let problem = signin(&keyless, post(&body)).await.unwrap_err();
        assert_eq!(problem.kind, &runtime::http::kinds::UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_password_is_required() {
        let problem = signin(&sign_in_of_ada([]), post(&json!({"email": "ada@example.com"}))).await.unwrap_err();
        assert_eq!((problem.kind.status, problem.errors[0].pointer.as_str()), (400, "/password"));
    }
}
