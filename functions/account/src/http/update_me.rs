//! `PATCH /auth/me`: changes the e-mail address or the phone number.

use contact::{Email, Phone};
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use kernel::Secret;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::me::SignedInUser;
use super::{ACCOUNT, examples, problems};
use crate::app::active_session::AuthenticatedSession;
use crate::app::reauthenticate::ReauthRequest;
pub use crate::app::reauthenticate::Reauthenticate as State;
use crate::app::update_profile::{Change, ProfileUpdate, update_profile};
use crate::domain::Password;

/// The fields to change. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PersonUpdate)]
pub(super) struct Body {
    #[serde(default)]
    #[schema(value_type = Email, required = false)]
    email: Change<String>,
    /// In any international spelling; null to remove it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "+250 788 123 456")]
    phone: Change<String>,
    #[schema(value_type = String, format = Password)]
    current_password: Secret<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Remove, Self::Set))
    }
}

fn parse(email: Change<String>, phone: Change<String>) -> Result<ProfileUpdate, Problem> {
    if matches!((&email, &phone), (Change::Keep, Change::Keep)) {
        return Err(Problem::field("email", "send an email or a phone"));
    }
    let mut fields = FieldErrors::default();
    let email = match email {
        Change::Keep => None,
        Change::Remove => {
            fields.push("email", "cannot be removed: send another");
            None
        }
        Change::Set(email) => fields.read("email", Email::parse(&email)),
    };
    let phone = match phone {
        Change::Keep => Change::Keep,
        Change::Remove => Change::Remove,
        Change::Set(phone) => fields.read("phone", Phone::parse(&phone)).map_or(Change::Keep, Change::Set),
    };
    if fields.is_empty() { Ok(ProfileUpdate { email, phone }) } else { Err(fields.problem()) }
}

/// Updates the user. If nothing changes, the password is not checked, so that a client can retry after a lost response.
///
/// # Errors
///
/// A 400 with every invalid field; a 403 if the password is wrong; a 409 if an identifier is in use; a 429 after too many
/// failed attempts.
pub async fn handle(state: &State, session: AuthenticatedSession, request: Request) -> Result<Response, Problem> {
    let Body { email, phone, current_password } = json_body(&request)?;
    let update = parse(email, phone)?;
    let user = &session.user_session.user;
    if update.is_noop(user) {
        return Response::json(StatusCode::OK, &SignedInUser::from(user));
    }
    let password = Password::existing(&current_password);
    if let Err(rejected) = password.reject_identifiers(update.email.as_ref(), update.new_phone()) {
        return Err(Problem::field("currentPassword", format!("{rejected}: change it first")));
    }
    let reauth = ReauthRequest::new(&session, current_password, client_info(&request));
    let user = update_profile(state, &reauth, session, &update).await?;
    Response::json(StatusCode::OK, &SignedInUser::from(&user))
}

pub(super) fn describe() -> Endpoint {
    let password = "currentPassword";
    let moved = json!({
        "id": examples::USER_ID, "email": "ada.lovelace@example.com", "emailVerified": false, "phone": null, "phoneVerified": false,
        "createdAt": examples::TIME, "updatedAt": examples::TIME
    });
    Endpoint::new("patch", "/auth/me", ACCOUNT, "updateMe", "Update the current user")
        .description(
            "Omitted fields stay unchanged; set `phone` to null to remove it. A new identifier can be used to sign in immediately, and \
             is unverified; the previous one is released. Sessions stay active. The password is required because a token \
             can be stolen; failed attempts are rate-limited separately from sign-ins. If nothing would change, the \
             password is not checked.",
        )
        .authenticated()
        .request_body::<Body>(&[
            ("another e-mail address", json!({"email": "ada.lovelace@example.com", password: examples::PASSWORD})),
            ("another phone", json!({"phone": examples::PHONE, password: examples::PASSWORD})),
            ("no phone", json!({"phone": null, password: examples::PASSWORD})),
        ])
        .response::<SignedInUser<'_>>(200, "The updated user, as in `GET /auth/me`.", &moved)
        .problems(&[
            &problems::WRONG_CURRENT_PASSWORD,
            &problems::IDENTIFIER_TAKEN,
            &problems::TOO_MANY_ATTEMPTS,
            &problems::ATTEMPTS_IN_PROGRESS,
        ])
}

#[cfg(test)]
mod tests {
    use http_api::problem_types::{INVALID_REQUEST, UNAUTHENTICATED};
    use kernel::UserId;
    use kernel::testing::SeededRandom;
    use serde_json::Value;

    use super::*;
    use crate::domain::{Identifier, Session, User, hash_computations};
    use crate::testing::{PASSWORD, TestApp, ada, bob, body_of, now, pointers, request_of, with_body, with_header};

    /// Ada has a session, which sends the requests.
    struct Scene {
        app: TestApp,
        own: Session,
    }

    impl Scene {
        async fn new() -> Self {
            let app = TestApp::with_ada().await;
            let own = app.start_session(1).await;
            Self { app, own }
        }

        /// The same, with both identifiers verified.
        async fn verified() -> Self {
            let scene = Self::new().await;
            scene.app.update_ada(|user| User { email_verified: true, phone_verified: true, ..user }).await;
            scene
        }

        async fn send(&self, request: Request) -> Result<Response, Problem> {
            let session = self.app.authenticate(&request).await?;
            Box::pin(handle(&self.app.reauthenticate(), session, request)).await
        }

        async fn send_body(&self, body: &Value) -> Result<Response, Problem> {
            self.send(with_body(request_of(&self.own), body)).await
        }

        /// Updates the fields with the correct password.
        async fn update(&self, fields: Value) -> Result<Response, Problem> {
            self.send_body(&with_password(fields)).await
        }
    }

    fn with_password(mut fields: Value) -> Value {
        fields["currentPassword"] = json!(PASSWORD);
        fields
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    fn phone(text: &str) -> Identifier {
        Identifier::Phone(Phone::parse(text).unwrap())
    }

    #[tokio::test]
    async fn new_identifiers_sign_in_immediately_and_are_unverified() {
        let scene = Scene::verified().await;
        let before = hash_computations();
        let fields = json!({"email": "Ada@Example.org", "phone": "+33 6 87 65 43 21"});
        let response = scene.update(fields).await.unwrap();
        let operations = ["BatchGetItem", "UpdateItem", "GetItem", "TransactWriteItems"];
        assert_eq!(scene.app.engine.round_trips(), operations);
        assert_eq!(hash_computations() - before, 1);
        let expected = json!({
            "id": ada().id, "email": "ada@example.org", "emailVerified": false, "phone": "+33687654321",
            "phoneVerified": false, "createdAt": now(), "updatedAt": now()
        });
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, expected));

        let after = scene.app.ada().await;
        assert_eq!((after.version, after.epoch), (3, 0));
        assert_eq!(scene.app.session(&scene.own).await.authorize(0, now()), Ok(()), "the token stays valid");
        for identifier in [email("ada@example.org"), phone("+33687654321")] {
            let credential = scene.app.credential(&identifier).await.unwrap();
            assert!(credential.password_hash.matches(&Secret::new(PASSWORD.to_owned())));
            assert_eq!(credential.user, after);
        }
        for identifier in ada().identifiers() {
            assert_eq!(scene.app.credential(&identifier).await, None);
        }
        scene.app.create_user(User { id: UserId::random(&SeededRandom::new(8)), ..ada() }).await;
        let [event] = &scene.app.audited().await[..] else { panic!() };
        let audited = (event.kind.as_str(), event.detail.as_deref());
        assert_eq!(audited, ("IDENTIFIER_CHANGED", Some("email and phone")));
    }

    #[tokio::test]
    async fn absent_field_is_kept_and_null_phone_is_removed() {
        for (fields, phone, email_verified, detail) in [
            (json!({"email": "ada@example.org"}), Some("+33612345678"), false, "email"),
            (json!({"email": "ada@example.com", "phone": null}), None, true, "phone"),
        ] {
            let scene = Scene::verified().await;
            let body = body_of(&scene.update(fields).await.unwrap());
            assert_eq!((&body["phone"], &body["phoneVerified"]), (&json!(phone), &json!(phone.is_some())));
            assert_eq!(body["emailVerified"], email_verified);
            assert_eq!(scene.app.audited().await[0].detail.as_deref(), Some(detail));
        }
    }

    #[tokio::test]
    async fn update_without_a_change_costs_one_round_trip() {
        let scene = Scene::new().await;
        let before = hash_computations();
        let fields = json!({"email": "ADA@example.com", "phone": "+33 (0)6 12 34 56 78"});
        let response = scene.update(fields).await.unwrap();
        assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem"]);
        assert_eq!(hash_computations(), before);
        assert_eq!(body_of(&response)["email"], "ada@example.com");
        assert_eq!(scene.app.ada().await, ada());
    }

    #[tokio::test]
    async fn every_invalid_field_is_reported() {
        let scene = Scene::new().await;
        for (body, expected) in [
            (with_password(json!({})), vec!["/email"]),
            (with_password(json!({"email": null})), vec!["/email"]),
            (with_password(json!({"email": "ada", "phone": "0612345678"})), vec!["/email", "/phone"]),
            (with_password(json!({"email": null, "phone": "+33"})), vec!["/email", "/phone"]),
            (with_password(json!({"phone": null, "status": "ADMIN"})), vec!["/status"]),
            (json!({"phone": null}), vec!["/currentPassword"]),
        ] {
            let problem = scene.send_body(&body).await.unwrap_err();
            assert_eq!((problem.problem_type, pointers(&problem)), (&INVALID_REQUEST, expected), "{body}");
            assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem"], "no attempt is counted");
        }
    }

    #[tokio::test]
    async fn taken_identifier_is_a_409_and_changes_nothing() {
        let scene = Scene::new().await;
        scene.app.create_user(bob()).await;
        let problem = scene.update(json!({"email": "bob@example.com", "phone": null})).await.unwrap_err();
        assert_eq!((problem.problem_type, pointers(&problem)), (&problems::IDENTIFIER_TAKEN, vec!["/email"]));
        assert_eq!(scene.app.ada().await, ada());
    }

    #[tokio::test]
    async fn taken_identifiers_cannot_be_enumerated() {
        let scene = Scene::new().await;
        scene.app.create_user(bob()).await;
        let mut codes = Vec::new();
        for _ in 0..6 {
            let problem = scene.update(json!({"email": "bob@example.com"})).await.unwrap_err();
            codes.push(problem.problem_type.code);
        }
        assert_eq!(codes[..5], [problems::IDENTIFIER_TAKEN.code; 5]);
        assert_eq!(codes[5], problems::TOO_MANY_ATTEMPTS.code);
    }

    #[tokio::test]
    async fn missing_token_or_wrong_password_changes_nothing() {
        let scene = Scene::new().await;
        let body = json!({"email": "ada@example.org", "currentPassword": "wrong"});
        assert_eq!(scene.send_body(&body).await.unwrap_err().problem_type, &problems::WRONG_CURRENT_PASSWORD);
        assert_eq!(scene.app.audited_kinds().await, ["REAUTHENTICATION_FAILED"]);

        let body = with_password(json!({"email": "ada@example.org"}));
        let without_token = with_body(with_header("accept", "*/*"), &body);
        assert_eq!(scene.send(without_token).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        assert_eq!(scene.app.ada().await, ada());
    }

    #[tokio::test]
    async fn identifier_equal_to_the_password_is_a_400() {
        let scene = Scene::new().await;
        for (field, value, password) in
            [("email", "ada.lovelace@example.org", "ada.lovelace"), ("phone", "+33687654321", "06 87 65 43 21")]
        {
            let problem = scene.send_body(&json!({field: value, "currentPassword": password})).await.unwrap_err();
            assert_eq!((problem.problem_type, pointers(&problem)), (&INVALID_REQUEST, vec!["/currentPassword"]));
        }
    }

    #[tokio::test]
    async fn concurrent_update_is_kept() {
        let scene = Scene::new().await;
        let verify = scene.app.updating_ada(|user| User { email_verified: true, ..user }, None);
        scene.app.engine.before_next("TransactWriteItems", verify);
        let body = body_of(&scene.update(json!({"phone": null})).await.unwrap());
        assert_eq!((&body["emailVerified"], &body["phone"]), (&json!(true), &Value::Null));
        assert_eq!(scene.app.ada().await.version, 3);
    }

    #[tokio::test]
    async fn identical_concurrent_update_is_not_repeated() {
        let scene = Scene::new().await;
        let remove = scene.app.updating_ada(|user| User { phone: None, ..user }, None);
        scene.app.engine.before_next("TransactWriteItems", remove);
        assert_eq!(body_of(&scene.update(json!({"phone": null})).await.unwrap())["phone"], Value::Null);
        assert_eq!(scene.app.ada().await.version, 2);
    }
}
