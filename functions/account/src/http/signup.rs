//! `POST /auth/signup`: creates a user.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response, json_body, problem_types};
use kernel::{Secret, Timestamp, UserId};
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

/// # Errors
///
/// A 400 with every invalid field; a 409 if the e-mail address or the phone number is in use; a 429 after too
/// many sign-ups with it.
pub async fn handle(state: &State, request: Request) -> Result<Response, Problem> {
    let body: Body = json_body(&request)?;
    let (policy, client) = (state.password_policy, client_info(&request));
    let params = sign_up_params(&body.email, body.phone.as_deref(), body.password, policy, client)?;
    let user = state.sign_up(params).await?;
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

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/auth/signup", ACCOUNT, "signUp", "Create a user")
        .request_body::<Body>(&[
            ("without a phone", json!({"email": examples::EMAIL, "password": examples::PASSWORD})),
            (
                "with a phone",
                json!({"email": examples::EMAIL, "password": examples::PASSWORD, "phone": examples::PHONE}),
            ),
        ])
        .response::<SignedUp<'_>>(
            201,
            "The new user. No session is started.",
            &json!({"id": examples::USER_ID, "email": examples::EMAIL, "phone": null, "createdAt": examples::TIME}),
        )
        .problems(&[&problems::IDENTIFIER_TAKEN, &problems::TOO_MANY_ATTEMPTS, &problem_types::UNAVAILABLE])
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::Identifier;
    use crate::testing::{TestApp, ada, body_of, now, pointers, post};

    #[tokio::test]
    async fn new_user_is_created_with_a_hashed_password() {
        let app = TestApp::new().await;
        let body = json!({"email": "Ada@Example.com", "phone": "+33 6 12 34 56 78", "password": "correct horse"});
        let response = handle(&app.sign_up(), post(&body)).await.unwrap();
        let credential = app.credential(&Identifier::Email(ada().email)).await.unwrap();
        assert!(credential.password_hash.matches(&Secret::new("correct horse".to_owned())));
        assert_eq!(response.status, StatusCode::CREATED);
        let expected = json!({
            "id": credential.user.id, "email": "ada@example.com", "phone": "+33612345678", "createdAt": now()
        });
        assert_eq!(body_of(&response), expected);
        assert_eq!(app.audited_kinds().await, ["SIGNED_UP"]);
    }

    #[tokio::test]
    async fn other_spelling_of_a_taken_email_is_a_409() {
        let app = TestApp::new().await;
        let body = |email| post(&json!({"email": email, "password": "correct horse"}));
        let response = handle(&app.sign_up(), body("ada@m\u{fc}nchen.example")).await.unwrap();
        assert_eq!(body_of(&response)["email"], "ada@xn--mnchen-3ya.example");
        for spelling in [
            "ADA@xn--mnchen-3ya.example",
            " ada@mu\u{308}nchen.example ",
            "\"ada\"@M\u{dc}NCHEN.example",
            "\u{ff41}da\u{ff20}m\u{fc}nchen\u{3002}example",
        ] {
            let problem = handle(&app.sign_up(), body(spelling)).await.unwrap_err();
            assert_eq!(problem.problem_type, &problems::IDENTIFIER_TAKEN, "{spelling}");
        }
    }

    #[tokio::test]
    async fn missing_phone_is_null() {
        for body in [
            json!({"email": "ada@example.com", "password": "correct horse"}),
            json!({"email": "ada@example.com", "password": "correct horse", "phone": null}),
        ] {
            let app = TestApp::new().await;
            let response = handle(&app.sign_up(), post(&body)).await.unwrap();
            assert_eq!(body_of(&response)["phone"], Value::Null);
        }
    }

    #[tokio::test]
    async fn password_equal_to_email_or_unknown_field_is_a_400() {
        for (body, pointer) in [
            (json!({"email": "ada@example.com", "password": "ADA@example.com"}), "/password"),
            (json!({"email": "ada@example.com", "password": "correct horse", "status": "ADMIN"}), "/status"),
        ] {
            let app = TestApp::new().await;
            let problem = handle(&app.sign_up(), post(&body)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec![pointer]));
            assert!(app.engine.round_trips().is_empty());
        }
    }

    #[tokio::test]
    async fn taken_email_is_a_409_and_unavailable_store_a_503() {
        let body = json!({"email": "ada@example.com", "password": "correct horse"});
        let app = TestApp::with_ada().await;
        let problem = handle(&app.sign_up(), post(&body)).await.unwrap_err();
        assert_eq!((problem.problem_type, pointers(&problem)), (&problems::IDENTIFIER_TAKEN, vec!["/email"]));

        let app = TestApp::new().await;
        app.engine.reject("TransactWriteItems", 3, "ThrottlingException");
        let problem = handle(&app.sign_up(), post(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
    }
}
