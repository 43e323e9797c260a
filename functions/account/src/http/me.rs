//! `GET /auth/me`: the current user.

use contact::{Email, Phone};
use http_api::{Problem, Request, Response};
use kernel::{Timestamp, UserId};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ACCOUNT, examples};
use crate::app::active_session::AuthenticatedSession;
use crate::domain::User;

/// The endpoint needs nothing but the session, which is loaded for authentication.
pub struct State;

/// The current user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedInUser<'a> {
    id: UserId,
    #[schema(value_type = Email)]
    email: &'a str,
    /// The user's own spelling, if it differs from `email` by more than letter case. To be displayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email_as_typed: Option<&'a str>,
    email_verified: bool,
    #[schema(value_type = Option<Phone>, required = true)]
    phone: Option<&'a str>,
    phone_verified: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// # Errors
///
/// A 500 if the response cannot be serialized.
#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
pub async fn handle(_state: &State, session: AuthenticatedSession, _request: Request) -> Result<Response, Problem> {
    Response::json(StatusCode::OK, &SignedInUser::from(&session.user_session.user))
}

impl<'a> From<&'a User> for SignedInUser<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str(),
            email_as_typed: user.email.typed(),
            email_verified: user.email_verified,
            phone: user.phone.as_ref().map(Phone::as_str),
            phone_verified: user.phone_verified,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("get", "/auth/me", ACCOUNT, "getMe", "Get the current user")
        .authenticated()
        .response::<SignedInUser<'_>>(200, "The current user.", &examples::user())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{TestApp, ada, body_of, now, request_of};

    #[tokio::test]
    async fn user_is_returned_with_phone_or_null() {
        let app = TestApp::with_ada().await;
        let own = app.start_session(5).await;
        for phone in [json!("+33612345678"), Value::Null] {
            let session = app.authenticate(&request_of(&own)).await.unwrap();
            let response = handle(&State, session, request_of(&own)).await.unwrap();
            let expected = json!({
                "id": ada().id, "email": "ada@example.com", "emailVerified": false, "phone": phone,
                "phoneVerified": false, "createdAt": now(), "updatedAt": now()
            });
            assert_eq!(body_of(&response), expected);
            if phone != Value::Null {
                app.update_ada(|user| User { phone: None, ..user }).await;
            }
        }
    }
    #[tokio::test]
    async fn email_is_returned_in_both_spellings_if_they_differ() {
        let app = TestApp::with_ada().await;
        let own = app.start_session(5).await;
        let email = Email::parse("Ada@m\u{fc}nchen.example").unwrap();
        app.update_ada(move |user| User { email, ..user }).await;
        let session = app.authenticate(&request_of(&own)).await.unwrap();
        let body = body_of(&handle(&State, session, request_of(&own)).await.unwrap());
        assert_eq!(body["email"], "ada@xn--mnchen-3ya.example");
        assert_eq!(body["emailAsTyped"], "Ada@m\u{fc}nchen.example");
    }
}
