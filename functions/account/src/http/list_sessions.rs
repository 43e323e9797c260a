//! `GET /auth/sessions`: lists the active sessions of the user.

use std::cmp::Reverse;

use auth::{LoadKeys, Verifier};
use http_api::{Problem, Request, Response, authenticate};
use kernel::{Clock, SessionId, Timestamp};
use lambda_http::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::error::AccountError;
use crate::domain::{Revoked, Session, UserSession};
use crate::store;

pub struct ListSessions<S, L, C> {
    pub sessions: S,
    pub verifier: Verifier<L, C>,
    pub clock: C,
}

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

/// Lists the sessions in one round trip.
/// # Errors
/// A 401 if the token is invalid or its session has ended.
pub async fn list_sessions<S, L, C>(deps: &ListSessions<S, L, C>, request: Request) -> Result<Response, Problem>
where
    S: store::ListSessions + Sync,
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let principal = authenticate(&deps.verifier, &request).await?;
    let found = deps.sessions.list_sessions(principal.user_id).await.map_err(AccountError::from)?;
    let (user, mut sessions) = found.ok_or(Revoked::SessionNotFound).map_err(AccountError::from)?;
    let now = deps.clock.now();
    let own = sessions.iter().find(|session| session.id == principal.session_id).cloned();
    let session = own.ok_or(Revoked::SessionNotFound).map_err(AccountError::from)?;
    let signed_in = UserSession { user, session };
    signed_in.authorize(principal.epoch, now).map_err(AccountError::from)?;

    sessions.retain(|session| session.ensure_active(&signed_in.user, now).is_ok());
    sessions.sort_by_key(|session| Reverse((session.started_at, session.id)));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_api::problem_types;
    use kernel::testing::FixedClock;
    use lambda_http::Body;
    use serde_json::json;

    use super::*;
    use crate::domain::UserStatus;
    use crate::testing::sessions::{Sessions, State, session};
    use crate::testing::{PublicKeys, body_of, now, signed_in_as_ada, verifier};

    fn deps(sessions: Sessions) -> ListSessions<Sessions, PublicKeys, FixedClock> {
        ListSessions { sessions, verifier: verifier(), clock: FixedClock(now()) }
    }

    fn request() -> Request {
        signed_in_as_ada(session(5).id, now())
    }

    #[tokio::test]
    async fn the_sessions_that_go_on_are_shown_the_newest_first_and_which_one_asks() {
        let earlier = Timestamp::from_unix_seconds(now().unix_seconds() - 60).unwrap();
        let older = Session { started_at: earlier, user_agent: None, ..session(6) };
        let ended = Session { ended_at: Some(now()), ..session(7) };
        let expired = Session { expires_at: now(), ..session(8) };
        let deps = deps(Sessions::of_ada([older.clone(), ended, session(5), expired]));
        let answer = list_sessions(&deps, request()).await.unwrap();
        let in_an_hour = now().plus(Duration::from_hours(1));
        let expected = json!({"data": [
            {
                "id": session(5).id, "createdAt": now(), "lastUsedAt": now(), "expiresAt": in_an_hour,
                "userAgent": "a browser", "current": true
            },
            {
                "id": older.id, "createdAt": earlier, "lastUsedAt": now(), "expiresAt": in_an_hour,
                "userAgent": null, "current": false
            },
        ]});
        assert_eq!((answer.status, body_of(&answer)), (StatusCode::OK, expected));
    }

    #[tokio::test]
    async fn a_session_that_an_epoch_has_left_behind_is_not_shown() {
        let retained_session = Session { epoch: 1, ..session(5) };
        let deps = deps(Sessions::of_ada([retained_session, session(6)]));
        let answer = |deps| async move { list_sessions(deps, request()).await };
        assert_eq!(body_of(&answer(&deps).await.unwrap())["data"].as_array().unwrap().len(), 2);
        deps.sessions.state().user.as_mut().unwrap().epoch = 1;
        assert_eq!(
            answer(&deps).await.unwrap_err().problem_type,
            &problem_types::UNAUTHENTICATED,
            "the token is of epoch 0"
        );
    }

    #[tokio::test]
    async fn a_token_that_stands_for_nothing_any_more_is_a_401() {
        let changes: [fn(&mut State); 5] = [
            |state| state.session(session(5).id).ended_at = Some(now()),
            |state| state.session(session(5).id).expires_at = now(),
            |state| state.sessions.retain(|found| found.id != session(5).id),
            |state| state.user = None,
            |state| state.user.as_mut().unwrap().status = UserStatus::Suspended,
        ];
        for change in changes {
            let deps = deps(Sessions::of_ada([session(5), session(6)]));
            change(&mut deps.sessions.state());
            assert_eq!(
                list_sessions(&deps, request()).await.unwrap_err().problem_type,
                &problem_types::UNAUTHENTICATED
            );
        }
    }

    #[tokio::test]
    async fn without_a_token_nothing_is_looked_up_and_a_table_that_does_not_answer_is_a_503() {
        let busy = deps(Sessions::busy());
        let problem = list_sessions(&busy, Request::new(Body::Empty)).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        assert_eq!(list_sessions(&busy, request()).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
    }
}
