//! `POST /auth/password`: changes the password and ends every other session of the user.

use http_api::{Problem, Request, Response, json_body};
use kernel::Secret;
use openapi::Endpoint;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::token_response::{Reissued, reissued};
use super::{ACCOUNT, examples, problems};
use crate::app::active_session::AuthenticatedSession;
pub use crate::app::change_password::ChangePassword as State;
use crate::app::reauthenticate::ReauthRequest;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PasswordChange)]
pub(super) struct Body {
    #[schema(value_type = String, format = Password)]
    current_password: Secret<String>,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    new_password: Secret<String>,
}

/// # Errors
///
/// A 400 if the new password is rejected or unchanged; a 403 if the current password is wrong; a 429 after too many failed
/// attempts.
pub async fn handle(state: &State, session: AuthenticatedSession, request: Request) -> Result<Response, Problem> {
    let Body { current_password, new_password } = json_body(&request)?;
    let user = &session.user_session.user;
    let new = state.password_policy.accept(new_password, Some(&user.email), user.phone.as_ref());
    let new = new.map_err(|rejected| Problem::field("newPassword", rejected))?;
    if new.matches(&current_password) {
        return Err(Problem::field("newPassword", "must differ from your current password"));
    }
    let reauth = ReauthRequest::new(&session, current_password, client_info(&request));
    let tokens = state.change_password(&reauth, session, &new).await?;
    reissued("Your password is changed. All your other sessions have ended.", &tokens, &request)
}

pub(super) fn describe() -> Endpoint {
    let reissued = json!({
        "message": "Your password is changed. All your other sessions have ended.",
        "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "AZChslw9Tm-KexydXy06Sw", "refresh_expires_in": 3600
    });
    Endpoint::new("post", "/auth/password", ACCOUNT, "changePassword", "Change the password")
        .description(
            "A password has 8 to 128 characters (the deployment may require more than 8), in any script, without composition \
             rules. Common passwords, your e-mail address, its local part and your phone number are rejected. Every other \
             session ends. The current one stays active with new tokens; its previous tokens are revoked. Failed attempts \
             are rate-limited separately from sign-ins.",
        )
        .authenticated()
        .request_body::<Body>(&[(
            "example",
            json!({"currentPassword": examples::PASSWORD, "newPassword": "another correct horse battery"}),
        )])
        .response::<Reissued<'_>>(200, "The password was changed. Browsers receive the tokens in cookies only.", &reissued)
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problems::WRONG_CURRENT_PASSWORD, &problems::TOO_MANY_ATTEMPTS, &problems::ATTEMPTS_IN_PROGRESS])
}

#[cfg(test)]
mod tests {
    use contact::Email;
    use http_api::problem_types::{INVALID_REQUEST, UNAUTHENTICATED, UNAVAILABLE};
    use serde_json::Value;

    use super::*;
    use crate::domain::throttle::RateLimit;
    use crate::domain::{Identifier, RefreshToken, Session, User, UserStatus, hash_computations};
    use crate::testing::{
        LIFETIMES, PASSWORD, TestApp, ada, bob, body_of, by_cookie, cookie_of, hash, now, pointers, request_of,
        session_and_token, with_body,
    };

    const NEW: &str = "another correct horse battery";

    /// Ada has a session, which sends the requests.
    struct Scene {
        app: TestApp,
        state: State,
        own: Session,
    }

    impl Scene {
        async fn new() -> Self {
            let app = TestApp::with_ada().await;
            let own = app.start_session(1).await;
            let (users, issuer) = (app.reauthenticate(), app.issuer().await);
            let state = State { users, password_policy: "8".parse().unwrap(), issuer, lifetimes: LIFETIMES };
            Self { app, state, own }
        }

        async fn send(&self, request: Request) -> Result<Response, Problem> {
            let session = self.app.authenticate(&request).await?;
            Box::pin(handle(&self.state, session, request)).await
        }

        async fn change(&self, current: &str, new: &str) -> Result<Response, Problem> {
            self.send(self.request(current, new)).await
        }

        fn request(&self, current: &str, new: &str) -> Request {
            with_body(request_of(&self.own), &body(current, new))
        }

        /// Which of the two passwords is valid for each of Ada's identifiers.
        async fn valid_passwords(&self) -> Vec<&'static str> {
            let mut valid = Vec::new();
            for identifier in self.app.ada().await.identifiers() {
                let hash = self.app.credential(&identifier).await.unwrap().password_hash;
                let matches = |password: &&str| hash.matches(&Secret::new((*password).to_owned()));
                valid.extend([PASSWORD, NEW].into_iter().filter(matches));
            }
            valid
        }
    }

    fn body(current: &str, new: &str) -> Value {
        json!({"currentPassword": current, "newPassword": new})
    }

    #[tokio::test]
    async fn change_keeps_the_session_with_new_tokens_and_ends_others() {
        let scene = Scene::new().await;
        let other = scene.app.start_session(2).await;
        let before = hash_computations();
        let response = scene.change(PASSWORD, NEW).await.unwrap();
        let operations = ["BatchGetItem", "UpdateItem", "GetItem", "TransactWriteItems"];
        assert_eq!(scene.app.engine.round_trips(), operations);
        assert_eq!(hash_computations() - before, 2);

        let body = body_of(&response);
        let principal = scene.app.verifier.verify(body["access_token"].as_str().unwrap()).await.unwrap();
        let session = scene.app.session(&scene.own).await;
        assert_eq!((principal.session_id, session.authorize(principal.epoch, now())), (scene.own.id, Ok(())));
        assert_eq!(principal.expires_at, session.session.token_expires_at);
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert!(session.authorize(0, now()).is_err(), "the token of the request is revoked");
        assert!(scene.app.session(&other).await.ensure_active(now()).is_err());
        assert_eq!(scene.valid_passwords().await, [NEW, NEW]);
        let [event] = &scene.app.audited().await[..] else { panic!() };
        assert_eq!((event.kind.as_str(), &event.detail), ("PASSWORD_CHANGED", &None));
    }

    #[tokio::test]
    async fn browser_receives_the_new_tokens_in_cookies_only() {
        let scene = Scene::new().await;
        let response = scene.send(by_cookie(scene.request(PASSWORD, NEW))).await.unwrap();
        let access_token = cookie_of(&response, "access_token").unwrap();
        assert_eq!(scene.app.verifier.verify(&access_token).await.unwrap().epoch, 1);
        let refresh_token = RefreshToken::parse(&cookie_of(&response, "refresh_token").unwrap()).unwrap();
        assert_eq!(scene.app.session(&scene.own).await.session.refresh_hash, refresh_token.hash());
        assert!(!response.body.contains(&access_token));
    }

    #[tokio::test]
    async fn rejected_new_password_is_neither_counted_nor_hashed() {
        let scene = Scene::new().await;
        let before = hash_computations();
        for (new, reason) in [
            ("7 chars", "characters"),
            ("Password1", "common"),
            ("ADA@example.com", "e-mail"),
            ("06 12 34 56 78", "phone"),
            (PASSWORD, "differ"),
        ] {
            let problem = scene.change(PASSWORD, new).await.unwrap_err();
            assert_eq!((problem.problem_type, pointers(&problem)), (&INVALID_REQUEST, vec!["/newPassword"]), "{new}");
            assert!(problem.errors[0].detail.contains(reason), "{}", problem.errors[0].detail);
            assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem"]);
        }
        assert_eq!(hash_computations(), before);
    }

    #[tokio::test]
    async fn wrong_password_changes_nothing_and_is_rate_limited() {
        let scene = Scene::new().await;
        for attempt in 1..=5 {
            let before = hash_computations();
            let problem = scene.change("wrong", NEW).await.unwrap_err();
            let cost = hash_computations() - before;
            assert_eq!((problem.problem_type, cost), (&problems::WRONG_CURRENT_PASSWORD, 1), "{attempt}");
            assert_eq!((pointers(&problem), problem.headers.len()), (vec!["/currentPassword"], 0), "no challenge");
        }
        let before = hash_computations();
        let problem = scene.change(PASSWORD, NEW).await.unwrap_err();
        assert_eq!((problem.problem_type, hash_computations() - before), (&problems::TOO_MANY_ATTEMPTS, 0));
        assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
        assert_eq!(scene.valid_passwords().await, [PASSWORD, PASSWORD]);
        assert_eq!(scene.app.audited_kinds().await, ["REAUTHENTICATION_FAILED"; 5], "the identifier is not locked");
    }

    #[tokio::test]
    async fn correct_password_resets_the_failed_attempts() {
        let scene = Scene::new().await;
        for password in ["wrong", "wrong", "wrong", PASSWORD] {
            assert_eq!(scene.change(password, NEW).await.is_ok(), password == PASSWORD);
        }
        let counted = scene.app.accounts.count_reauthentication(ada().id, now()).await.unwrap();
        assert!(matches!(&counted, RateLimit::Allowed(counted) if counted.number == 1), "{counted:?}");
    }

    #[tokio::test]
    async fn unknown_session_is_rejected_before_the_password_is_checked() {
        let scene = Scene::new().await;
        let unknown = with_body(request_of(&session_and_token(9).0), &body(PASSWORD, NEW));
        assert_eq!(scene.send(unknown).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem"]);
    }

    #[tokio::test]
    async fn concurrent_update_of_other_attributes_is_kept() {
        let scene = Scene::new().await;
        let verify = scene.app.updating_ada(|user| User { phone_verified: true, ..user }, None);
        scene.app.engine.before_next("TransactWriteItems", verify);
        assert!(scene.change(PASSWORD, NEW).await.is_ok());
        let user = scene.app.ada().await;
        assert_eq!((user.phone_verified, user.version, user.epoch), (true, 3, 1));
        assert_eq!(scene.valid_passwords().await, [NEW, NEW]);
    }

    #[tokio::test]
    async fn concurrent_change_of_the_password_wins() {
        let scene = Scene::new().await;
        let change = scene.app.updating_ada(|user| user, Some(hash("yet another correct horse")));
        scene.app.engine.before_next("TransactWriteItems", change);
        let problem = scene.change(PASSWORD, NEW).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::WRONG_CURRENT_PASSWORD);
        assert_eq!(scene.valid_passwords().await, Vec::<&str>::new());
    }

    #[tokio::test]
    async fn concurrently_revoked_session_is_not_retained() {
        let suspend: fn(User) -> User = |user| User { status: UserStatus::Suspended, ..user };
        for change in [User::revoked, suspend] {
            let scene = Scene::new().await;
            scene.app.engine.before_next("TransactWriteItems", scene.app.updating_ada(change, None));
            assert_eq!(scene.change(PASSWORD, NEW).await.unwrap_err().problem_type, &UNAUTHENTICATED);
            assert_eq!(scene.valid_passwords().await, [PASSWORD, PASSWORD]);
        }
        let scene = Scene::new().await;
        scene.app.engine.before_next("TransactWriteItems", scene.app.ending_session(&scene.own));
        assert_eq!(scene.change(PASSWORD, NEW).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        assert_eq!(scene.valid_passwords().await, [PASSWORD, PASSWORD]);
    }

    #[tokio::test]
    async fn email_claimed_concurrently_by_another_user_is_rejected() {
        let scene = Scene::new().await;
        let email = Email::parse("ada@example.org").unwrap();
        let move_ada = scene.app.updating_ada(|user| User { email, phone: None, ..user }, None);
        let bob = User { email: ada().email, ..bob() };
        let claim = scene.app.create_user_with(bob.clone(), hash(PASSWORD));
        scene.app.engine.before_next("GetItem", async move {
            move_ada.await;
            claim.await;
        });
        let problem = scene.change(PASSWORD, NEW).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::WRONG_CURRENT_PASSWORD, "although Bob has the same password");
        assert_eq!(scene.app.credential(&Identifier::Email(ada().email)).await.unwrap().user, bob);
    }

    #[tokio::test]
    async fn repeated_conflicts_are_a_503() {
        let scene = Scene::new().await;
        for _ in 0..crate::store::UPDATE_ATTEMPTS {
            scene.app.engine.before_next("TransactWriteItems", scene.app.updating_ada(|user| user, None));
        }
        assert_eq!(scene.change(PASSWORD, NEW).await.unwrap_err().problem_type, &UNAVAILABLE);
    }

    #[tokio::test]
    async fn missing_signing_key_is_a_503_and_changes_nothing() {
        let scene = Scene::new().await;
        let state = State { issuer: scene.app.issuer_without_key(), ..scene.state };
        let scene = Scene { state, ..scene };
        let problem = scene.change(PASSWORD, NEW).await.unwrap_err();
        assert_eq!((problem.problem_type, scene.valid_passwords().await), (&UNAVAILABLE, vec![PASSWORD, PASSWORD]));
    }
}
