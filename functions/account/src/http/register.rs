//! `POST /api/auth/register`: creates a user with a phone number.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random, Secret, UserId};
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
#[schema(as = Register)]
pub(super) struct Body {
    /// In any international spelling.
    #[schema(example = "+250 788 123 456")]
    phone: String,
    #[schema(value_type = Email)]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: Secret<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Registered<'a> {
    id: UserId,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
    #[schema(value_type = Email)]
    email: &'a str,
}

/// Creates the user.
/// # Errors
/// A 400 with every invalid field; a 409 if the e-mail address or the phone number is in use.
pub async fn register<S, R, C>(deps: &SignUp<S, R, C>, request: Request) -> Result<Response, Problem>
where
    S: CreateUser + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let body: Body = json_body(&request)?;
    let caller = caller(&request);
    let newcomer = newcomer(&body.email, Some(&body.phone), body.password, deps.password_policy, caller)?;
    let user = deps.sign_up(newcomer).await?;
    Response::json(StatusCode::CREATED, &Registered::from(&user))
}

impl<'a> From<&'a User> for Registered<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: user.id, phone: user.phone.as_ref().map(Phone::as_str), email: user.email.as_str() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::IdentifierKind;
    use crate::http::problem_types;
    use crate::store::CreateUserOutcome;
    use crate::testing::{NewUsers, body_of, post, sign_up_of};

    #[tokio::test]
    async fn somebody_new_is_answered_with_their_phone_in_the_form_of_e_164() {
        let deps = sign_up_of(NewUsers::default());
        let body = json!({"phone": "+33 6 12-34-56-78", "email": "Ada@Example.com", "password": "correct horse"});
        let answer = register(&deps, post(&body)).await.unwrap();
        let created = deps.users.created.into_inner().unwrap();
        let [(user, hash)] = created.as_slice() else { panic!("{created:?}") };
        assert!(hash.matches(&Secret::new("correct horse".to_owned())));
        assert_eq!(answer.status, StatusCode::CREATED);
        let expected = json!({"id": user.id, "phone": "+33612345678", "email": "ada@example.com"});
        assert_eq!(body_of(&answer), expected);
    }

    #[tokio::test]
    async fn all_three_fields_are_required_and_there_is_no_other() {
        let complete = json!({"phone": "+33612345678", "email": "ada@example.com", "password": "correct horse"});
        for field in ["phone", "email", "password"] {
            let mut body = complete.clone();
            body.as_object_mut().unwrap().remove(field);
            let problem = register(&sign_up_of(NewUsers::default()), post(&body)).await.unwrap_err();
            assert_eq!(problem.errors[0].pointer, format!("/{field}"));
        }
        let mut body = complete;
        body["role"] = json!("admin");
        let problem = register(&sign_up_of(NewUsers::default()), post(&body)).await.unwrap_err();
        assert_eq!(problem.errors[0].pointer, "/role");
    }

    #[tokio::test]
    async fn a_taken_identifier_is_a_409_that_names_it() {
        let body = json!({"phone": "+33612345678", "email": "ada@example.com", "password": "correct horse"});
        let taken = Some(Ok(CreateUserOutcome::IdentifierTaken(vec![IdentifierKind::Phone])));
        let deps = sign_up_of(NewUsers { instead: taken, ..NewUsers::default() });
        let problem = register(&deps, post(&body)).await.unwrap_err();
        assert_eq!(
            (problem.problem_type, problem.errors[0].pointer.as_str()),
            (&problem_types::IDENTIFIER_TAKEN, "/phone")
        );
    }
}
