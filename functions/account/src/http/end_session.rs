//! `DELETE /auth/sessions/{id}`: ends a session of the user.

use auth::{LoadKeys, Verifier};
use http_api::{Problem, Request, Response};
use kernel::{Clock, Random, SessionId};
use lambda_http::RequestExt;

use super::client_info::caller;
use super::session_auth::signed_in;
use super::{cookies, problem_types};
use crate::app::error::AccountError;
use crate::domain::{AuditEventKind, AuditLog, AuditSubject};
use crate::store::{self, EndSessionOutcome, FindSession};

pub struct EndSession<S, L, R, C> {
    pub sessions: S,
    pub verifier: Verifier<L, C>,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

/// Ends the session in two round trips. Ending an ended session succeeds. If it is the current one, the cookies are cleared.
/// # Errors
/// A 401 if the token is invalid or its session has ended; a 404 if the user has no such session.
pub async fn end_session<S, L, R, C>(deps: &EndSession<S, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: FindSession + store::EndSession + Sync,
    L: LoadKeys + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let (principal, _) = signed_in(&deps.sessions, &deps.verifier, &deps.clock, &request).await?;
    let parameters = request.path_parameters_ref();
    let id = parameters.and_then(|parameters| parameters.first("id")).and_then(|id| SessionId::parse(id).ok());
    let id = id.ok_or_else(not_found)?;
    let now = deps.clock.now();
    let subject = AuditSubject::User(principal.user_id);
    let record = deps.audit_log.event(AuditEventKind::SessionEnded, subject, &caller(&request), now, &deps.random);
    let record = record.in_session(id).with_detail(format!("from session {}", principal.session_id));
    let ended = deps.sessions.end_session(principal.user_id, id, now, &record).await.map_err(AccountError::from)?;
    if ended == EndSessionOutcome::NotFound {
        return Err(not_found());
    }
    let mut answer = Response::no_content();
    if id == principal.session_id {
        answer.headers.extend(cookies::cleared());
    }
    Ok(answer)
}

fn not_found() -> Problem {
    Problem::new(&problem_types::SESSION_NOT_FOUND, "You have no session of this id. GET /auth/sessions lists them.")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http_api::problem_types as shared;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use lambda_http::http::StatusCode;

    use super::*;
    use crate::testing::sessions::{Sessions, session};
    use crate::testing::{PublicKeys, audit_log, now, signed_in_as_ada, verifier};

    type Deps = EndSession<Sessions, PublicKeys, SeededRandom, FixedClock>;

    /// With Ada's session, and another of hers.
    fn deps() -> Deps {
        deps_with(Sessions::of_ada([session(5), session(6)]))
    }

    fn deps_with(sessions: Sessions) -> Deps {
        let (random, clock) = (SeededRandom::new(1), FixedClock(now()));
        EndSession { sessions, verifier: verifier(), audit_log: audit_log(), random, clock }
    }

    async fn end(deps: &Deps, id: impl ToString) -> Result<Response, Problem> {
        let parameters = HashMap::from([("id".to_owned(), id.to_string())]);
        end_session(deps, signed_in_as_ada(session(5).id, now()).with_path_parameters(parameters)).await
    }

    #[tokio::test]
    async fn another_session_of_the_person_is_ended_once_however_often_it_is_asked() {
        let deps = deps();
        for _ in 0..2 {
            let answer = end(&deps, session(6).id).await.unwrap();
            assert_eq!((answer.status, answer.body.as_str(), answer.headers), (StatusCode::NO_CONTENT, "", vec![]));
        }
        let mut state = deps.sessions.state();
        assert_eq!(state.session(session(6).id).ended_at, Some(now()));
        assert_eq!(state.session(session(5).id).ended_at, None);
        let [record] = state.recorded.as_slice() else { panic!("{:?}", state.recorded) };
        assert_eq!((record.kind, record.session), (AuditEventKind::SessionEnded, Some(session(6).id)));
        assert_eq!(record.detail, Some(format!("from session {}", session(5).id)));
    }

    #[tokio::test]
    async fn the_session_that_asks_may_be_ended_too_and_its_cookies_are_cleared() {
        let deps = deps();
        assert_eq!(end(&deps, session(5).id).await.unwrap().headers, cookies::cleared());
        assert_eq!(end(&deps, session(6).id).await.unwrap_err().problem_type, &shared::UNAUTHENTICATED);
        assert_eq!(deps.sessions.recorded(), ["SESSION_ENDED"]);
    }

    #[tokio::test]
    async fn what_is_no_session_of_the_person_is_a_404() {
        let no_uuid = ["", "1", "0190A1B2-5C3D-4E6F-8A7B-9C0D1E2F3A4B"].map(str::to_owned);
        for id in no_uuid.into_iter().chain([session(7).id.to_string()]) {
            let deps = deps();
            assert_eq!(end(&deps, &id).await.unwrap_err().problem_type, &problem_types::SESSION_NOT_FOUND, "{id}");
            assert!(deps.sessions.recorded().is_empty());
        }
    }

    #[tokio::test]
    async fn a_token_that_stands_for_nothing_any_more_ends_nothing() {
        let deps = deps();
        deps.sessions.state().user.as_mut().unwrap().epoch = 1;
        assert_eq!(end(&deps, session(6).id).await.unwrap_err().problem_type, &shared::UNAUTHENTICATED);
        assert!(deps.sessions.recorded().is_empty());
        assert_eq!(
            end(&deps_with(Sessions::busy()), session(6).id).await.unwrap_err().problem_type,
            &shared::UNAVAILABLE
        );
    }
}
