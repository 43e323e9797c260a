//! `GET /auth/sessions`: lists the active sessions of the user.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, query_parameter};
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
#[serde(rename_all = "camelCase")]
pub(super) struct SessionList<'a> {
    /// Newest first.
    data: Vec<SessionEntry<'a>>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required = true)]
    next_cursor: Option<SessionId>,
}

/// The query parameters.
pub const QUERY: &[&str] = &["limit", "cursor"];

const MAX_LIMIT: u8 = 100;

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
/// A 400 if a parameter is invalid; a 401 if the session of the token has ended.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let (limit, cursor) = (query_parameter(&request, "limit")?, query_parameter(&request, "cursor")?);
    let mut fields = FieldErrors::default();
    let limit = fields.read_optional("limit", limit.as_deref().map(parse_limit));
    let after = fields.read_optional("cursor", cursor.as_deref().map(parse_cursor));
    let (Some(limit), Some(after)) = (limit, after) else { return Err(fields.problem()) };
    let page = list_sessions(state, &principal, after, limit.unwrap_or(MAX_LIMIT)).await?;
    let data = page.sessions.iter().map(|session| SessionEntry::new(session, principal.session_id)).collect();
    Response::json(StatusCode::OK, &SessionList { data, next_cursor: page.next })
}

fn parse_limit(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        _ => Err(format!("must be an integer from 1 to {MAX_LIMIT}")),
    }
}

fn parse_cursor(text: &str) -> Result<SessionId, &'static str> {
    SessionId::parse(text).map_err(|_| "must be a nextCursor that this endpoint returned")
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
        .description(
            "Ended and expired sessions are not listed, but count towards the limit until they are deleted, so a page can have \
             fewer entries than its limit and still not be the last.",
        )
        .query(
            "limit",
            "The maximum number of entries on the page.",
            &json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": MAX_LIMIT}),
        )
        .query("cursor", "The `nextCursor` of the previous page.", &json!({"type": "string"}))
        .authenticated()
        .response::<SessionList<'_>>(200, "Your active sessions.", &json!({"data": [session], "nextCursor": null}))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use http_api::{authenticate, problem_types};
    use lambda_http::RequestExt;

    use super::*;
    use crate::testing::{LIFETIMES, TestApp, ada, body_of, now, pointers, request_of, session_and_token};

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
        assert_eq!(app.engine.round_trips(), ["BatchGetItem", "Query"], "concurrently");
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
        ], "nextCursor": null});
        assert_eq!((response.status, body_of(&response)), (StatusCode::OK, expected));
    }

    #[tokio::test]
    async fn pages_contain_each_active_session_once() {
        let app = TestApp::with_ada().await;
        let own = app.start_session(5).await;
        for seed in 10..20 {
            let session = app.start_session(seed).await;
            if seed % 2 == 0 {
                app.end_session(&session).await;
            }
        }
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let mut parameters = HashMap::from([("limit".to_owned(), "3".to_owned())]);
            parameters.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor)));
            let request = request_of(&own).with_query_string_parameters(parameters);
            let response = handle(&app.accounts, principal(&app, &own).await, request).await.unwrap();
            let page = body_of(&response);
            let ids = page["data"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned());
            listed.extend(ids);
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), 6);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), 6);
    }

    #[tokio::test]
    async fn invalid_page_parameters_are_reported() {
        let app = TestApp::with_ada().await;
        let own = app.start_session(5).await;
        for (limit, cursor) in [("0", "x"), ("101", ""), ("1.5", "0190A1B2-5C3D-4E6F-8A7B-9C0D1E2F3A4B")] {
            let parameters =
                [("limit", limit), ("cursor", cursor)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            let request = request_of(&own).with_query_string_parameters(HashMap::from(parameters));
            let problem = handle(&app.accounts, principal(&app, &own).await, request).await.unwrap_err();
            assert_eq!(pointers(&problem), ["/limit", "/cursor"]);
        }
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
