//! `GET /auth/sessions`: lists the active sessions of the user.

use auth::Principal;
use http_api::{Problem, Request, Response};
use kernel::{SessionId, Timestamp};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{ACCOUNT, examples};
use crate::app::list_sessions::list_sessions;
use crate::domain::Session;
pub use crate::store::AccountTable as State;

#[derive(Serialize, ToSchema)]
pub(super) struct SessionList<'a> {
    /// Newest first.
    data: Vec<SessionEntry<'a>>,
}

/// An active session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
struct SessionEntry<'a> {
    id: SessionId,
    created_at: Timestamp,
    /// The last sign-in or refresh.
    last_used_at: Timestamp,
    /// The time at which the session ends unless it is refreshed.
    expires_at: Timestamp,
    /// The user agent at sign-in.
    #[schema(required = true)]
    user_agent: Option<&'a str>,
    /// Whether this is the session of the request.
    current: bool,
}

/// # Errors
///
/// A 401 if the session of the token has ended.
pub async fn handle(state: &State, principal: Principal, _request: Request) -> Result<Response, Problem> {
    let sessions = list_sessions(state, &principal).await?;
    let data = sessions.iter().map(|session| SessionEntry::new(session, principal.session_id)).collect();
    Response::json(StatusCode::OK, &SessionList { data })
}

impl<'a> SessionEntry<'a> {
    fn new(session: &'a Session, own: SessionId) -> Self {
        Self {
            id: session.id,
            created_at: session.started_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent.as_deref(),
            current: session.id == own,
        }
    }
}

pub(super) fn describe() -> Endpoint {
    let session = json!({
        "id": examples::SESSION_ID, "createdAt": examples::TIME, "lastUsedAt": examples::TIME, "expiresAt": "2026-01-31T13:00:00.000Z",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "current": true
    });
    Endpoint::new("get", "/auth/sessions", ACCOUNT, "listSessions", "List sessions")
        .authenticated()
        .response::<SessionList<'_>>(200, "Your active sessions.", &json!({"data": [session]}))
}

#[cfg(test)]
mod tests {
    use http_api::{authenticate, problem_types};

    use super::*;
    use crate::testing::{LIFETIMES, TestApp, ada, body_of, now, request_of, session_and_token};

    async fn list(app: &TestApp, own: &Session) -> Result<Response, Problem> {
        let request = request_of(own);
        handle(&app.accounts, authenticate(&app.verifier, &request).await?, request).await
    }

    #[tokio::test]
    async fn active_sessions_are_listed_newest_first() {
        let app = TestApp::with_ada().await;
        let earlier = Timestamp::from_unix_seconds(now().unix_seconds() - 60).unwrap();
        let older = Session { started_at: earlier, user_agent: None, ..session_and_token(6).0 };
        let expired = Session { expires_at: now(), ..session_and_token(8).0 };
        let (own, ended) = (app.start_session(5).await, app.start_session(7).await);
        for session in [&older, &expired] {
            app.start(session.clone()).await;
        }
        app.end_session(&ended).await;

        let response = list(&app, &own).await.unwrap();
        assert_eq!(app.engine.round_trips(), ["Query"]);
        let in_an_hour = now().plus(LIFETIMES.idle);
        let expected = json!({"data": [
            {
                "id": own.id, "createdAt": now(), "lastUsedAt": now(), "expiresAt": in_an_hour,
                "userAgent": "a browser", "current": true
            },
            {
                "id": older.id, "createdAt": earlier, "lastUsedAt": now(), "expiresAt": in_an_hour,
                "userAgent": null, "current": false
            },
        ]});
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, expected));
    }

    #[tokio::test]
    async fn sessions_of_a_previous_epoch_are_not_listed() {
        let app = TestApp::with_ada().await;
        app.start_session(6).await;
        app.update_ada(crate::domain::User::revoked).await;
        let own = app.start(Session { epoch: 1, ..session_and_token(5).0 }).await;
        let principal = Principal { epoch: 1, ..principal(&app, &own).await };
        let response = handle(&app.accounts, principal, request_of(&own)).await.unwrap();
        assert_eq!(body_of(&response)["data"].as_array().unwrap().len(), 1);
        let problem = list(&app, &own).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED, "the token is of epoch 0");
    }

    async fn principal(app: &TestApp, own: &Session) -> Principal {
        authenticate(&app.verifier, &request_of(own)).await.unwrap()
    }

    #[tokio::test]
    async fn token_of_an_inactive_session_is_a_401() {
        let unauthenticated = async |app: &TestApp, own: &Session| {
            assert_eq!(list(app, own).await.unwrap_err().problem_type, &problem_types::UNAUTHENTICATED);
        };
        let app = TestApp::with_ada().await;
        let (own, other) = (app.start_session(5).await, app.start_session(6).await);
        unauthenticated(&app, &session_and_token(7).0).await;
        app.end_session(&own).await;
        unauthenticated(&app, &own).await;
        app.update_ada(|user| crate::domain::User { status: crate::domain::UserStatus::Suspended, ..user }).await;
        unauthenticated(&app, &other).await;
        app.deleting_ada().await;
        unauthenticated(&app, &other).await;

        let app = TestApp::with_ada().await;
        let own = app.start(Session { expires_at: now(), ..session_and_token(5).0 }).await;
        unauthenticated(&app, &own).await;
        assert_eq!(app.ada().await, ada());
    }

    #[tokio::test]
    async fn unavailable_store_is_a_503() {
        let app = TestApp::with_ada().await;
        let own = app.start_session(5).await;
        app.engine.reject("Query", 3, "ThrottlingException");
        assert_eq!(list(&app, &own).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
    }
}
