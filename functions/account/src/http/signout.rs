//! `POST /auth/signout`: the end of a session.

use auth::{LoadKeys, Verifier};
use kernel::Clock;
use lambda_http::http::StatusCode;
use runtime::http::{Answer, Problem, Request, authenticate, kinds, query_parameter};
use serde::Serialize;
use utoipa::ToSchema;

use super::cookie;
use crate::error::AccountError;
use crate::store::EndSession;

/// What the endpoint needs.
pub struct Signout<S, L, C> {
    /// Where sessions are ended.
    pub sessions: S,
    /// Tells whose token it is.
    pub verifier: Verifier<L, C>,
    /// For the time of the sign-out.
    pub clock: C,
}

/// A word to say that it is done.
#[derive(Serialize, ToSchema)]
pub(super) struct SignedOut {
    message: &'static str,
}

/// Answers one request. Without a token that is good there is no session to end, but the browser is told to forget its
/// cookie all the same: it could not be rid of it otherwise.
///
/// # Errors
///
/// A 503 if the session could not be ended; then the cookie is kept, for the next try. A 400 for another scope than this
/// session: what was not done must not look done.
pub async fn signout<S, L, C>(deps: &Signout<S, L, C>, request: Request) -> Result<Answer, Problem>
where
    S: EndSession + Sync,
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    if query_parameter(&request, "scope")?.is_some_and(|scope| scope != "local") {
        return Err(Problem::field("scope", "must be local: only this session can be ended here"));
    }
    match authenticate(&deps.verifier, &request).await {
        Ok(principal) => {
            let ended = deps.sessions.end_session(principal.user_id, principal.session_id, deps.clock.now()).await;
            ended.map_err(AccountError::from)?;
        }
        Err(problem) if *problem.kind == kinds::UNAUTHENTICATED => {}
        Err(problem) => return Err(problem),
    }
    let answer = Answer::json(StatusCode::OK, &SignedOut { message: "You are signed out." })?;
    Ok(answer.header("set-cookie", cookie::clear_access_token()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use auth::LoadKeysError;
    use kernel::random::Seeded;
    use kernel::time::FixedClock;
    use kernel::{SessionId, Timestamp, UserId};
    use lambda_http::Body;

    use super::*;
    use crate::store::StoreError;
    use crate::testing::{PublicKeys, ada, now, signed_in_as_ada, verifier, verifier_with};

    #[derive(Default)]
    struct Sessions {
        ended: Mutex<Vec<(UserId, SessionId, Timestamp)>>,
        busy: bool,
    }

    impl EndSession for Sessions {
        async fn end_session(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<(), StoreError> {
            if self.busy {
                return Err(StoreError::Unavailable("busy".to_owned()));
            }
            self.ended.lock().unwrap().push((user, session, now));
            Ok(())
        }
    }

    fn deps() -> Signout<Sessions, PublicKeys, FixedClock> {
        Signout { sessions: Sessions::default(), verifier: verifier(), clock: FixedClock(now()) }
    }

    fn session() -> SessionId {
        SessionId::random(&Seeded::new(5))
    }

    fn assert_signed_out(answer: &Answer) {
        assert_eq!(answer.status, StatusCode::OK);
        let cleared = "access_token=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax";
        assert_eq!(answer.headers, [("set-cookie", cleared.to_owned())]);
    }

    #[tokio::test]
    async fn the_token_s_session_is_ended_and_its_cookie_cleared() {
        let deps = deps();
        assert_signed_out(&signout(&deps, signed_in_as_ada(session(), now())).await.unwrap());
        assert_eq!(*deps.sessions.ended.lock().unwrap(), [(ada().id, session(), now())]);
    }

    #[tokio::test]
    async fn without_a_good_token_nothing_is_ended_and_the_cookie_is_cleared_all_the_same() {
        let mut garbage = Request::new(Body::Empty);
        garbage.headers_mut().insert("cookie", "access_token=a.b.c".parse().unwrap());
        let an_hour_ago = Timestamp::from_unix_seconds(now().unix_seconds() - 3600).unwrap();
        for request in [Request::new(Body::Empty), garbage, signed_in_as_ada(session(), an_hour_ago)] {
            let deps = deps();
            assert_signed_out(&signout(&deps, request).await.unwrap());
            assert!(deps.sessions.ended.lock().unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn another_scope_than_this_session_is_refused_rather_than_ignored() {
        use std::collections::HashMap;

        use lambda_http::RequestExt;
        for (scope, accepted) in [("local", true), ("global", false), ("", false)] {
            let deps = deps();
            let parameters = HashMap::from([("scope".to_owned(), scope.to_owned())]);
            let request = signed_in_as_ada(session(), now()).with_query_string_parameters(parameters);
            assert_eq!(signout(&deps, request).await.is_ok(), accepted, "{scope}");
            assert_eq!(deps.sessions.ended.lock().unwrap().len(), usize::from(accepted));
        }
    }

    #[tokio::test]
    async fn a_session_that_could_not_be_ended_is_a_503_that_leaves_the_cookie() {
        let busy = Signout { sessions: Sessions { busy: true, ..Sessions::default() }, ..deps() };
        let no_keys = verifier_with(PublicKeys(Err(LoadKeysError("no answer".to_owned()))));
        let keyless = Signout { verifier: no_keys, ..deps() };
        for deps in [busy, keyless] {
            let problem = signout(&deps, signed_in_as_ada(session(), now())).await.unwrap_err();
            assert_eq!(problem.kind, &kinds::UNAVAILABLE);
            assert_eq!(problem.headers, [("retry-after", Duration::from_secs(1).as_secs().to_string())]);
        }
    }
}
