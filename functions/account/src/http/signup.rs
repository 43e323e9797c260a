//! `POST /auth/signup`: creates a user.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random, Secret, Timestamp, UserId};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::client_info::caller;
use super::credentials::newcomer;
use crate::app::sign_up::SignUp;
use crate::domain::User;
use crate::store::CreateUser;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignUp)]
pub(super) struct Body {
    #[schema(value_type = Email)]
    email: String,
    /// In any international spelling.
    #[schema(example = "+250 788 123 456")]
    phone: Option<String>,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: Secret<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedUp<'a> {
    id: UserId,
    #[schema(value_type = Email)]
    email: &'a str,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
    created_at: Timestamp,
}

/// Creates the user.
/// # Errors
/// A 400 with every invalid field; a 409 if the e-mail address or the phone number is in use.
pub async fn signup<S, R, C>(deps: &SignUp<S, R, C>, request: Request) -> Result<Response, Problem>
where
    S: CreateUser + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let body: Body = json_body(&request)?;
    let caller = caller(&request);
    let newcomer = newcomer(&body.email, body.phone.as_deref(), body.password, deps.password_policy, caller)?;
    let user = deps.sign_up(newcomer).await?;
    Response::json(StatusCode::CREATED, &SignedUp::from(&user))
}

impl<'a> From<&'a User> for SignedUp<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str(),
            phone: user.phone.as_ref().map(Phone::as_str),
            created_at: user.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::IdentifierKind;
    use crate::http::problem_types;
    use crate::store::{CreateUserOutcome, StoreError};
    use crate::testing::{NewUsers, body_of, now, post, sign_up_of};

    async fn refused(body: Value) -> Problem {
        let deps = sign_up_of(NewUsers::default());
        let problem = signup(&deps, post(&body)).await.unwrap_err();
        assert!(deps.users.created.lock().unwrap().is_empty());
        problem
    }

    #[tokio::test]
    async fn somebody_new_is_created_with_their_password_hashed() {
        let deps = sign_up_of(NewUsers::default());
        let body = json!({"email": "Ada@Example.com", "phone": "+33 6 12 34 56 78", "password": "correct horse"});
        let answer = signup(&deps, post(&body)).await.unwrap();
        let created = deps.users.created.into_inner().unwrap();
        let [(user, hash)] = created.as_slice() else { panic!("{created:?}") };
        assert!(hash.matches(&Secret::new("correct horse".to_owned())));
        assert_eq!(answer.status, StatusCode::CREATED);
        let expected = json!({
            "id": user.id, "email": "ada@example.com", "phone": "+33612345678", "createdAt": now()
        });
        assert_eq!(body_of(&answer), expected);
    }

    #[tokio::test]
    async fn a_phone_is_optional_and_null_where_there_is_none() {
        for body in [
            json!({"email": "ada@example.com", "password": "correct horse"}),
            json!({"email": "ada@example.com", "password": "correct horse", "phone": null}),
        ] {
            let answer = signup(&sign_up_of(NewUsers::default()), post(&body)).await.unwrap();
            assert_eq!(body_of(&answer)["phone"], Value::Null);
        }
    }

    #[tokio::test]
    async fn a_password_that_is_an_identifier_and_a_field_that_is_unknown_are_refused() {
        let problem = refused(json!({"email": "ada@example.com", "password": "ADA@example.com"})).await;
        assert_eq!(problem.errors[0].pointer, "/password");
        let body = json!({"email": "ada@example.com", "password": "correct horse", "status": "ADMIN"});
        assert_eq!(refused(body).await.errors[0].pointer, "/status");
    }

    #[tokio::test]
    async fn a_taken_identifier_is_a_409_that_names_it_and_a_busy_store_a_503() {
        let body = json!({"email": "ada@example.com", "password": "correct horse"});
        let answers: [(Result<CreateUserOutcome, StoreError>, _); 2] = [
            (Ok(CreateUserOutcome::IdentifierTaken(vec![IdentifierKind::Email])), &problem_types::IDENTIFIER_TAKEN),
            (Err(StoreError::Unavailable("busy".to_owned())), &http_api::problem_types::UNAVAILABLE),
        ];
        for (answer, kind) in answers {
            let users = NewUsers { instead: Some(answer), ..NewUsers::default() };
            assert_eq!(signup(&sign_up_of(users), post(&body)).await.unwrap_err().problem_type, kind);
        }
    }
}
