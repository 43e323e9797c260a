//! `POST /api/auth/register`: creates a user with a phone number.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response, json_body, problem_types};
use kernel::{Secret, UserId};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::credentials::sign_up_params;
use super::{ACCOUNT, examples, problems};
pub use crate::app::sign_up::SignUp as State;
use crate::domain::User;

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

/// # Errors
///
/// A 400 with every invalid field; a 409 if the e-mail address or the phone number is in use; a 429 after too
/// many sign-ups with it.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let body: Body = json_body(&request)?;
    let (policy, client) = (state.password_policy, client_info(&request));
    let params = sign_up_params(&body.email, Some(&body.phone), body.password, policy, client)?;
    let user = state.sign_up(params).await?;
    Response::json(StatusCode::CREATED, &Registered::from(&user))
}

impl<'a> From<&'a User> for Registered<'a> {
    fn from(user: &'a User) -> Self {
        Self { id: user.id, phone: user.phone.as_ref().map(Phone::as_str), email: user.email.as_str() }
    }
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/api/auth/register", ACCOUNT, "register", "Create a user with a phone number")
        .request_body::<Body>(&[(
            "example",
            json!({"phone": examples::PHONE, "email": examples::EMAIL, "password": examples::PASSWORD}),
        )])
        .response::<Registered<'_>>(
            201,
            "The new user.",
            &json!({"id": examples::USER_ID, "phone": examples::PHONE, "email": examples::EMAIL}),
        )
        .problems(&[&problems::IDENTIFIER_TAKEN, &problems::TOO_MANY_ATTEMPTS, &problem_types::UNAVAILABLE])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::Identifier;
    use crate::domain::throttle::SIGN_UP_BURST;
    use crate::testing::{PASSWORD, TestApp, ada, body_of, pointers, post};

    #[tokio::test]
    async fn new_user_is_returned_with_the_phone_in_e164() {
        let app = TestApp::new().await;
        let body = json!({"phone": "+33 6 12-34-56-78", "email": "Ada@Example.com", "password": "correct horse"});
        let response = handle(&app.sign_up(), post(&body)).await.unwrap();
        let credential = app.credential(&Identifier::Phone(ada().phone.unwrap())).await.unwrap();
        assert!(credential.password_hash.matches(&Secret::new("correct horse".to_owned())));
        assert_eq!(response.status, StatusCode::CREATED);
        let expected = json!({"id": credential.user.id, "phone": "+33612345678", "email": "ada@example.com"});
        assert_eq!(body_of(&response), expected);
    }

    #[tokio::test]
    async fn missing_or_unknown_field_is_a_400() {
        let app = TestApp::new().await;
        let complete = json!({"phone": "+33612345678", "email": "ada@example.com", "password": "correct horse"});
        for field in ["phone", "email", "password"] {
            let mut body = complete.clone();
            body.as_object_mut().unwrap().remove(field);
            let problem = handle(&app.sign_up(), post(&body)).await.unwrap_err();
            assert_eq!(pointers(&problem), [format!("/{field}")]);
        }
        let mut body = complete;
        body["role"] = json!("admin");
        assert_eq!(pointers(&handle(&app.sign_up(), post(&body)).await.unwrap_err()), ["/role"]);
    }

    #[tokio::test]
    async fn taken_phone_is_a_409_with_its_pointer() {
        let app = TestApp::with_ada().await;
        let body = json!({"phone": "+33612345678", "email": "other@example.com", "password": "correct horse"});
        let problem = handle(&app.sign_up(), post(&body)).await.unwrap_err();
        assert_eq!((problem.problem_type, pointers(&problem)), (&problems::IDENTIFIER_TAKEN, vec!["/phone"]));
        assert_eq!(app.engine.round_trips(), ["TransactWriteItems", "UpdateItem"]);
    }

    #[tokio::test]
    async fn each_taken_identifier_is_rate_limited() {
        let app = TestApp::with_ada().await;
        let body = |email, phone| post(&json!({"phone": phone, "email": email, "password": "correct horse"}));
        let (taken, free) = ("+33612345678", "+33600000000");
        for _ in 0..SIGN_UP_BURST {
            let problem = handle(&app.sign_up(), body("ada@example.com", taken)).await.unwrap_err();
            let expected = (&problems::IDENTIFIER_TAKEN, vec!["/email", "/phone"]);
            assert_eq!((problem.problem_type, pointers(&problem)), expected);
        }
        for (email, phone) in [("ada@example.com", taken), ("bob@example.com", taken), ("ada@example.com", free)] {
            let problem = handle(&app.sign_up(), body(email, phone)).await.unwrap_err();
            assert_eq!((problem.problem_type, problem.errors.len()), (&problems::TOO_MANY_ATTEMPTS, 0));
            assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
        }
        assert!(handle(&app.sign_up(), body("bob@example.com", free)).await.is_ok());
        let signed_in = app.sign_in().await;
        let credentials = post(&json!({"email": "ada@example.com", "password": PASSWORD}));
        assert!(crate::http::login::handle(&signed_in, credentials).await.is_ok());
        app.clock.advance(Duration::from_secs(1));
        let problem = handle(&app.sign_up(), body("ada@example.com", "+33600000001")).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::IDENTIFIER_TAKEN);
    }

    #[tokio::test]
    async fn concurrent_sign_ups_with_a_taken_email_are_rate_limited() {
        let app = Arc::new(TestApp::with_ada().await);
        let sign_ups: Vec<_> = (0..16)
            .map(|n| {
                let app = Arc::clone(&app);
                let phone = format!("+336000000{n:02}");
                let body = json!({"phone": phone, "email": "ada@example.com", "password": "correct horse"});
                tokio::spawn(async move { handle(&app.sign_up(), post(&body)).await.unwrap_err().problem_type.status })
            })
            .collect();
        let mut statuses = Vec::new();
        for sign_up in sign_ups {
            statuses.push(sign_up.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![409; 10], vec![429; 6]].concat());
    }
}
