//! `POST /auth/signout`: ends the current session, all others, or all.

use auth::Principal;
use http_api::{Problem, Request, Response, problem_types, query_parameter};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::token_response::{Reissued, reissued};
use super::{ACCOUNT, cookies};
pub use crate::app::sign_out::SignOut as State;
use crate::domain::RefreshToken;

/// The query parameters.
pub const QUERY: &[&str] = &["scope"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Local,
    Others,
    Global,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedOut {
    message: &'static str,
    /// Whether the request has ended a session. False if there was none, or it had ended before.
    ended: bool,
}

/// Signs out. The scope `local`, which is the default, ends the session of the access token or, without a valid one, that of
/// the refresh token in the cookie, so that a user can sign out after the access token has expired. If neither is valid, no
/// session ends and the response says so, but it succeeds and clears the cookies, since a page cannot clear them itself.
///
/// # Errors
///
/// A 400 for an unknown scope or cookies with different tokens; a 401 if other sessions should end and the token is invalid or its session has ended; a 503
/// if a session could not be ended, which keeps the cookies for a retry.
pub async fn handle(
    state: &State,
    principal: Result<Principal, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let client = client_info(&request);
    match scope(&request)? {
        Scope::Local => {
            let ended = if let Ok(principal) = principal {
                state.end_session(principal.user_id, principal.session_id, &client).await?
            } else if let Some(token) = refresh_token(&request)? {
                state.end_session_of(&token, &client).await?
            } else {
                false
            };
            let message = if ended { "You are signed out." } else { "You were not signed in. No session has ended." };
            cleared(&request, &SignedOut { message, ended })
        }
        Scope::Others => {
            let tokens = state.revoke_others(&principal?, &client).await?;
            reissued("You are signed out everywhere else.", &tokens, &request)
        }
        Scope::Global => {
            state.revoke_all(&principal?, &client).await?;
            cleared(&request, &SignedOut { message: "You are signed out everywhere.", ended: true })
        }
    }
}

fn scope(request: &Request) -> Result<Scope, Problem> {
    match query_parameter(request, "scope")?.as_deref() {
        None | Some("local") => Ok(Scope::Local),
        Some("others") => Ok(Scope::Others),
        Some("global") => Ok(Scope::Global),
        Some(_) => Err(Problem::field("scope", "must be local, others or global")),
    }
}

fn refresh_token(request: &Request) -> Result<Option<RefreshToken>, Problem> {
    Ok(cookies::refresh_token(request)?.and_then(|token| RefreshToken::parse(token.expose()).ok()))
}

fn cleared(request: &Request, body: &SignedOut) -> Result<Response, Problem> {
    let mut response = Response::json(StatusCode::OK, body)?;
    response.headers.extend(cookies::cleared(request));
    Ok(response)
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/auth/signout", ACCOUNT, "signOut", "Sign out")
        .description(
            "`local` ends the session of the access token or, without a valid one, that of the refresh token in the \
             cookie. If neither is valid, no session ends and `ended` is false; cookies are cleared all the same. With `others` the current session stays active with \
             new tokens; its previous tokens are revoked.",
        )
        .optionally_authenticated()
        .query(
            "scope",
            "The sessions to end: the current one, all others, or all.",
            &json!({"type": "string", "enum": ["local", "others", "global"], "default": "local"}),
        )
        .refresh_token_cookie("Sent by browsers. Used for `local` if there is no valid access token.")
        .either_response::<SignedOut, Reissued<'_>>(
            200,
            "The outcome: for `others` the new tokens, unless they are in cookies.",
            &[
                ("signed out", json!({"message": "You are signed out.", "ended": true})),
                ("no session", json!({"message": "You were not signed in. No session has ended.", "ended": false})),
                ("others, by cookie", json!({"message": "You are signed out everywhere else."})),
            ],
        )
        .with_header(200, "Set-Cookie", "TokenCookies")
        .problems(&[&problem_types::UNAUTHENTICATED])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use http_api::problem_types::{INVALID_REQUEST, UNAUTHENTICATED, UNAVAILABLE};
    use kernel::testing::SeededRandom;
    use kernel::{Timestamp, UserId};
    use lambda_http::http::HeaderValue;
    use lambda_http::{Body, RequestExt};

    use super::*;
    use crate::authenticate_optional;
    use crate::domain::{Refresh, Session, User, UserStatus};
    use crate::testing::{
        LIFETIMES, TestApp, ada, audit_log, body_of, by_cookie, cookie_of, now, pointers, request_issued_at,
        request_of, session_and_token, with_header,
    };

    /// Ada has two sessions. The first sends the requests.
    struct Scene {
        app: TestApp,
        state: State,
        own: Session,
        token: RefreshToken,
        other: Session,
    }

    impl Scene {
        async fn new() -> Self {
            let app = TestApp::with_ada().await;
            let (own, token) = session_and_token(5);
            app.start(own.clone()).await;
            let other = app.start_session(6).await;
            let issuer = app.issuer().await;
            let state = State { accounts: app.accounts.clone(), issuer, lifetimes: LIFETIMES, audit_log: audit_log() };
            Self { app, state, own, token, other }
        }

        fn request(&self, scope: &str) -> Request {
            with_scope(request_of(&self.own), scope)
        }

        /// Requests without a token, with a malformed one, and with an expired one.
        fn without_valid_token(&self) -> [Request; 3] {
            let an_hour_ago = Timestamp::from_unix_seconds(now().unix_seconds() - 3600).unwrap();
            [
                Request::new(Body::Empty),
                with_header("cookie", "access_token=a.b.c"),
                request_issued_at(&self.own, an_hour_ago),
            ]
        }

        async fn sign_out(&self, request: Request) -> Result<Response, Problem> {
            let principal = authenticate_optional(&self.app.verifier, &request).await?;
            handle(&self.state, principal, request).await
        }

        /// Signs out, which clears the cookies. Returns whether the response says that a session has ended.
        async fn signs_out(&self, request: Request) -> bool {
            let response = self.sign_out(request).await.unwrap();
            let body = body_of(&response);
            let cleared = cookies::cleared(&Request::default()).to_vec();
            assert_eq!((response.status, response.headers), (StatusCode::OK, cleared));
            let ended = body["ended"].as_bool().unwrap();
            assert_eq!(ended, body["message"].as_str().unwrap().starts_with("You are signed out"), "{body}");
            ended
        }

        async fn is_rejected(&self, request: Request) {
            assert_eq!(self.sign_out(request).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        }

        /// Which of the two sessions have ended.
        async fn ended(&self) -> [bool; 2] {
            let ended = async |session| self.app.session(session).await.session.ended_at.is_some();
            [ended(&self.own).await, ended(&self.other).await]
        }

        /// Asserts that no session has ended.
        async fn assert_unchanged(&self) {
            assert_eq!((self.ended().await, self.app.audited_kinds().await), ([false, false], vec![]));
        }

        /// Rotates the refresh token. Returns the successor.
        async fn rotate(&self, token: &RefreshToken, seed: u64) -> RefreshToken {
            let session = self.app.session(&self.own).await.session;
            match session.refresh(token, LIFETIMES, now(), &SeededRandom::new(seed)) {
                Refresh::Rotated(after, successor) => {
                    let user = ada().id;
                    assert_eq!(self.app.accounts.rotate_refresh_token(user, &token.hash(), &after).await, Ok(true));
                    successor
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn with_scope(request: Request, scope: &str) -> Request {
        request.with_query_string_parameters(HashMap::from([("scope".to_owned(), scope.to_owned())]))
    }

    /// Adds a refresh token as a browser sends it.
    fn with_refresh_token(mut request: Request, token: &RefreshToken) -> Request {
        let cookie = format!("refresh_token={}", token.to_text().expose());
        request.headers_mut().append("cookie", cookie.parse().unwrap());
        request
    }

    #[tokio::test]
    async fn local_ends_the_session_of_the_access_token() {
        for index in 0..3 {
            let scene = Scene::new().await;
            let requests = [request_of(&scene.own), scene.request("local"), by_cookie(scene.request("local"))];
            assert!(scene.signs_out(requests.into_iter().nth(index).unwrap()).await);
            assert_eq!(scene.ended().await, [true, false]);
            let [event] = &scene.app.audited().await[..] else { panic!() };
            assert_eq!((event.kind.as_str(), &event.session), ("SESSION_ENDED", &Some(scene.own.id.to_string())));
        }
    }

    #[tokio::test]
    async fn invalid_access_token_only_clears_the_cookies() {
        let scene = Scene::new().await;
        for request in scene.without_valid_token() {
            assert!(!scene.signs_out(request).await);
        }
        scene.assert_unchanged().await;
    }

    #[tokio::test]
    async fn local_falls_back_to_the_session_of_the_refresh_token() {
        // The current token; the current one after a rotation; the previous one within the grace period.
        for (rotate, use_former) in [(false, false), (true, false), (true, true)] {
            for index in 0..3 {
                let scene = Scene::new().await;
                let mut token = scene.token.clone();
                if rotate {
                    let successor = scene.rotate(&token, 8).await;
                    token = if use_former { token } else { successor };
                }
                let request = scene.without_valid_token().into_iter().nth(index).unwrap();
                assert!(scene.signs_out(with_refresh_token(request, &token)).await);
                assert_eq!(scene.ended().await, [true, false]);
                let [event] = &scene.app.audited().await[..] else { panic!() };
                assert_eq!((event.kind.as_str(), &event.session), ("SESSION_ENDED", &Some(scene.own.id.to_string())));
            }
        }
    }

    #[tokio::test]
    async fn second_sign_out_ends_nothing_and_says_so() {
        let scene = Scene::new().await;
        for expected in [true, false] {
            assert_eq!(scene.signs_out(scene.request("local")).await, expected);
        }
        assert_eq!(scene.app.audited_kinds().await, ["SESSION_ENDED"]);
        let unknown = request_of(&session_and_token(9).0);
        assert!(!scene.signs_out(unknown).await);
    }

    #[tokio::test]
    async fn undecodable_cookie_does_not_keep_a_user_signed_in() {
        let scene = Scene::new().await;
        let mut request = by_cookie(scene.request("local"));
        request.headers_mut().append("cookie", HeaderValue::from_bytes("name=Jos\u{e9}".as_bytes()).unwrap());
        assert!(scene.signs_out(request).await);
        assert_eq!(scene.ended().await, [true, false]);
    }

    #[tokio::test]
    async fn cookies_with_different_tokens_are_a_400() {
        let scene = Scene::new().await;
        let mut access = by_cookie(scene.request("local"));
        access.headers_mut().append("cookie", "access_token=a.b.c".parse().unwrap());
        let refresh = with_refresh_token(with_header("cookie", "refresh_token=another"), &scene.token);
        for request in [access, refresh] {
            assert_eq!(scene.sign_out(request).await.unwrap_err().problem_type, &INVALID_REQUEST);
        }
        scene.assert_unchanged().await;
    }

    #[tokio::test]
    async fn malformed_authorization_header_is_a_401() {
        for authorization in ["Basic YTpi", "Bearer", "Bearer a.b.c, Bearer d.e.f"] {
            let scene = Scene::new().await;
            let mut request = with_refresh_token(by_cookie(scene.request("local")), &scene.token);
            request.headers_mut().insert("authorization", authorization.parse().unwrap());
            scene.is_rejected(request).await;
            scene.assert_unchanged().await;
        }
    }

    #[tokio::test]
    async fn access_token_takes_precedence_over_refresh_token() {
        let scene = Scene::new().await;
        let token = session_and_token(6).1;
        assert!(scene.signs_out(with_refresh_token(by_cookie(scene.request("local")), &token)).await);
        assert_eq!(scene.ended().await, [true, false]);
    }

    #[tokio::test]
    async fn refresh_token_that_is_not_current_ends_nothing() {
        let scene = Scene::new().await;
        let second = scene.rotate(&scene.token, 8).await;
        let third = scene.rotate(&second, 9).await;
        let forged = RefreshToken::new(third.user, third.session, &SeededRandom::new(99));
        let unknown = session_and_token(7).1;
        let mut of_another_user = third.clone();
        of_another_user.user = UserId::random(&SeededRandom::new(99));
        for token in [&scene.token, &forged, &unknown, &of_another_user] {
            assert!(!scene.signs_out(with_refresh_token(Request::new(Body::Empty), token)).await);
        }
        assert_eq!(scene.ended().await, [false, false]);
        let events = scene.app.audited().await;
        let refused: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.detail.as_deref())).collect();
        let kind = "REFRESH_TOKEN_REFUSED";
        assert_eq!(refused, [(kind, Some("not recognized")), (kind, Some("used before"))]);
    }

    #[tokio::test]
    async fn refresh_token_of_an_inactive_session_ends_nothing() {
        let suspend: fn(User) -> User = |user| User { status: UserStatus::Suspended, ..user };
        for change in [suspend, User::revoked] {
            let scene = Scene::new().await;
            scene.app.update_ada(change).await;
            assert!(!scene.signs_out(with_refresh_token(Request::new(Body::Empty), &scene.token)).await);
            scene.assert_unchanged().await;
        }
        let scene = Scene::new().await;
        scene.app.clock.advance(now().until(scene.own.expires_at));
        assert!(!scene.signs_out(with_refresh_token(Request::new(Body::Empty), &scene.token)).await);
        scene.assert_unchanged().await;
    }

    #[tokio::test]
    async fn refresh_token_does_not_end_other_sessions() {
        let scene = Scene::new().await;
        for scope in ["others", "global"] {
            let request = with_scope(Request::new(Body::Empty), scope);
            scene.is_rejected(with_refresh_token(request, &scene.token)).await;
        }
        scene.assert_unchanged().await;
    }

    #[tokio::test]
    async fn global_raises_the_epoch_and_clears_the_cookies() {
        let scene = Scene::new().await;
        assert!(scene.signs_out(scene.request("global")).await);
        let user = scene.app.ada().await;
        assert_eq!((user.epoch, user.version), (1, 2));
        assert!(scene.app.sessions().await.iter().all(|session| session.epoch == 0), "none is rebound");
        let [event] = &scene.app.audited().await[..] else { panic!() };
        assert_eq!((event.kind.as_str(), event.detail.as_deref()), ("SESSIONS_REVOKED", Some("all")));
    }

    #[tokio::test]
    async fn others_rebinds_the_current_session_with_new_tokens() {
        let scene = Scene::new().await;
        scene.app.clock.advance(Duration::from_mins(1));
        let body = body_of(&scene.sign_out(scene.request("others")).await.unwrap());
        let token = body["access_token"].as_str().unwrap().to_owned();
        let expected = json!({
            "message": "You are signed out everywhere else.", "access_token": token, "token_type": "Bearer",
            "expires_in": 900, "refresh_token": body["refresh_token"], "refresh_expires_in": 3540
        });
        assert_eq!(body, expected);
        let refresh_token = RefreshToken::parse(body["refresh_token"].as_str().unwrap()).unwrap();
        let principal = scene.app.verifier.verify(&token).await.unwrap();
        assert_eq!((principal.session_id, principal.epoch), (scene.own.id, 1));
        let (own, other) = (scene.app.session(&scene.own).await, scene.app.session(&scene.other).await);
        assert_eq!((own.user.epoch, own.session.epoch, other.session.epoch), (1, 1, 0));
        assert_eq!(own.session.token_expires_at, principal.expires_at);
        assert_eq!(own.session.refresh_hash, refresh_token.hash());
        let [event] = &scene.app.audited().await[..] else { panic!() };
        assert_eq!((event.kind.as_str(), &event.session), ("SESSIONS_REVOKED", &Some(scene.own.id.to_string())));
    }

    #[tokio::test]
    async fn others_returns_tokens_to_a_browser_in_cookies() {
        let scene = Scene::new().await;
        let response = scene.sign_out(by_cookie(scene.request("others"))).await.unwrap();
        assert_eq!(body_of(&response), json!({"message": "You are signed out everywhere else."}));
        let token = cookie_of(&response, "access_token").unwrap();
        assert_eq!(scene.app.verifier.verify(&token).await.unwrap().epoch, 1);
        assert!(RefreshToken::parse(&cookie_of(&response, "refresh_token").unwrap()).is_ok());
    }

    #[tokio::test]
    async fn others_and_global_require_a_valid_token() {
        for scope in ["others", "global"] {
            let scene = Scene::new().await;
            for request in scene.without_valid_token() {
                scene.is_rejected(with_scope(request, scope)).await;
            }
            scene.assert_unchanged().await;
            scene.app.end_session(&scene.own).await;
            scene.is_rejected(scene.request(scope)).await;
            assert_eq!(scene.app.ada().await, ada());
        }
    }

    #[tokio::test]
    async fn revocation_keeps_a_concurrent_update() {
        for scope in ["others", "global"] {
            let scene = Scene::new().await;
            let verify = scene.app.updating_ada(|user| User { email_verified: true, ..user }, None);
            scene.app.engine.before_next("TransactWriteItems", verify);
            assert!(scene.sign_out(scene.request(scope)).await.is_ok());
            let user = scene.app.ada().await;
            assert_eq!((user.version, user.epoch, user.email_verified), (3, 1, true));
        }
    }

    #[tokio::test]
    async fn concurrent_revocations_raise_the_epoch_once() {
        for scope in ["others", "global"] {
            let scene = Scene::new().await;
            scene.app.engine.before_next("TransactWriteItems", scene.app.updating_ada(User::revoked, None));
            scene.is_rejected(scene.request(scope)).await;
            assert_eq!(scene.app.ada().await.epoch, 1);
        }
    }

    #[tokio::test]
    async fn concurrently_ended_session_is_not_rebound() {
        let scene = Scene::new().await;
        scene.app.engine.before_next("TransactWriteItems", scene.app.ending_session(&scene.own));
        scene.is_rejected(scene.request("others")).await;
        assert_eq!(scene.app.ada().await, ada());
    }

    #[tokio::test]
    async fn others_without_a_signing_key_revokes_nothing() {
        let scene = Scene::new().await;
        let state = State { issuer: scene.app.issuer_without_key(), ..scene.state };
        let scene = Scene { state, ..scene };
        let problem = scene.sign_out(scene.request("others")).await.unwrap_err();
        assert_eq!(problem.problem_type, &UNAVAILABLE);
        assert_eq!(scene.app.ada().await, ada());
        assert!(scene.sign_out(scene.request("global")).await.is_ok(), "which needs no key");
    }

    #[tokio::test]
    async fn unknown_scope_is_a_400() {
        let scene = Scene::new().await;
        for scope in ["", "all", "Global", "local,global"] {
            let problem = scene.sign_out(scene.request(scope)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec!["/scope"]), "{scope}");
        }
        scene.assert_unchanged().await;
    }

    #[tokio::test]
    async fn unavailable_store_is_a_503_that_keeps_the_cookies() {
        for (scope, operation) in
            [("local", "TransactWriteItems"), ("others", "BatchGetItem"), ("global", "BatchGetItem")]
        {
            let scene = Scene::new().await;
            scene.app.engine.reject(operation, 3, "ThrottlingException");
            let problem = scene.sign_out(scene.request(scope)).await.unwrap_err();
            assert_eq!(problem.problem_type, &UNAVAILABLE);
            assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
        }
        let scene = Scene::new().await;
        scene.app.engine.reject("BatchGetItem", 3, "ThrottlingException");
        let request = with_refresh_token(Request::new(Body::Empty), &scene.token);
        let problem = scene.sign_out(request).await.unwrap_err();
        assert_eq!((problem.problem_type, problem.headers.len()), (&UNAVAILABLE, 1));
    }
}
