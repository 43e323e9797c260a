//! `DELETE /auth/sessions/{id}`: ends a session of the user.

use http_api::{Problem, Request, Response};
use kernel::SessionId;
use lambda_http::RequestExt;
use openapi::Endpoint;
use serde_json::json;

use super::client_info::client_info;
use super::{ACCOUNT, cookies, examples, problems};
use crate::app::active_session::AuthenticatedSession;
pub use crate::app::end_session::EndSession as State;
use crate::store::EndSessionOutcome;

/// Ends the session. Ending an ended session succeeds. If it is the current one, the cookies are cleared.
///
/// # Errors
///
/// A 404 if the user has no such session.
pub async fn handle(state: &State, session: AuthenticatedSession, request: Request) -> Result<Response, Problem> {
    let parameters = request.path_parameters_ref();
    let id = parameters.and_then(|parameters| parameters.first("id")).and_then(|id| SessionId::parse(id).ok());
    let id = id.ok_or_else(not_found)?;
    let ended = state.end(&session.principal, id, &client_info(&request)).await?;
    if ended == EndSessionOutcome::NotFound {
        return Err(not_found());
    }
    let mut response = Response::no_content();
    if id == session.principal.session_id {
        response.headers.extend(cookies::cleared(&request));
    }
    Ok(response)
}

fn not_found() -> Problem {
    Problem::new(&problems::SESSION_NOT_FOUND, "You have no session of this id. GET /auth/sessions lists them.")
}

pub(super) fn describe() -> Endpoint {
    let id = json!({"type": "string", "format": "uuid", "example": examples::SESSION_ID});
    Endpoint::new("delete", "/auth/sessions/{id}", ACCOUNT, "endSession", "End a session")
        .authenticated()
        .path_parameter("id", "The session's id.", &id)
        .response_content(204, "The session has ended.", json!({}))
        .with_header(204, "Set-Cookie", "TokenCookies")
        .problems(&[&problems::SESSION_NOT_FOUND])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http_api::problem_types;
    use lambda_http::http::StatusCode;

    use super::*;
    use crate::domain::{Session, User};
    use crate::testing::{TestApp, audit_log, now, request_of, session_and_token};

    /// Ada has two sessions. The first sends the requests.
    struct Scene {
        app: TestApp,
        own: Session,
        other: Session,
    }

    impl Scene {
        async fn new() -> Self {
            let app = TestApp::with_ada().await;
            let (own, other) = (app.start_session(5).await, app.start_session(6).await);
            Self { app, own, other }
        }

        async fn end(&self, id: impl ToString) -> Result<Response, Problem> {
            let parameters = HashMap::from([("id".to_owned(), id.to_string())]);
            let request = request_of(&self.own).with_path_parameters(parameters);
            let session = self.app.authenticate(&request).await?;
            let state = State { accounts: self.app.accounts.clone(), audit_log: audit_log() };
            handle(&state, session, request).await
        }
    }

    #[tokio::test]
    async fn ending_another_session_twice_ends_it_once() {
        let scene = Scene::new().await;
        for _ in 0..2 {
            let response = scene.end(scene.other.id).await.unwrap();
            let expected = (StatusCode::NO_CONTENT, "", vec![]);
            assert_eq!((response.status, response.body.as_str(), response.headers), expected);
        }
        assert_eq!(scene.app.session(&scene.other).await.session.ended_at, Some(now()));
        assert_eq!(scene.app.session(&scene.own).await.session.ended_at, None);
        let [event] = &scene.app.audited().await[..] else { panic!() };
        assert_eq!((event.kind.as_str(), &event.session), ("SESSION_ENDED", &Some(scene.other.id.to_string())));
        assert_eq!(event.detail, Some(format!("from session {}", scene.own.id)));
    }

    #[tokio::test]
    async fn ending_the_current_session_clears_the_cookies() {
        let scene = Scene::new().await;
        assert_eq!(scene.end(scene.own.id).await.unwrap().headers, cookies::cleared(&Request::default()));
        let problem = scene.end(scene.other.id).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        assert_eq!(scene.app.audited_kinds().await, ["SESSION_ENDED"]);
    }

    #[tokio::test]
    async fn unknown_session_is_a_404() {
        let scene = Scene::new().await;
        let invalid = ["", "1", "0190A1B2-5C3D-4E6F-8A7B-9C0D1E2F3A4B"].map(str::to_owned);
        for id in invalid.into_iter().chain([session_and_token(7).0.id.to_string()]) {
            assert_eq!(scene.end(&id).await.unwrap_err().problem_type, &problems::SESSION_NOT_FOUND, "{id}");
        }
        assert!(scene.app.audited().await.is_empty());
    }

    #[tokio::test]
    async fn revoked_token_ends_no_session() {
        let scene = Scene::new().await;
        scene.app.update_ada(User::revoked).await;
        let problem = scene.end(scene.other.id).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        assert!(scene.app.audited().await.is_empty());
    }

    #[tokio::test]
    async fn unavailable_store_is_a_503() {
        let scene = Scene::new().await;
        scene.app.engine.reject("TransactWriteItems", 3, "ThrottlingException");
        assert_eq!(scene.end(scene.other.id).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
    }
}
