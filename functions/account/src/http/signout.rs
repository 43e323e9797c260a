//! `POST /auth/signout`: ends the current session, all others, or all.

use auth::{LoadKeys, Verifier};
use futures_util::future::join;
use http_api::{Problem, Request, Response, authenticate, problem_types, query_parameter, refresh_token_cookie};
use kernel::{Clock, Random, SessionId, UserId};
use lambda_http::http::StatusCode;
use serde::Serialize;

use super::client_info::caller;
use super::cookies;
use super::session_auth::signed_in;
use super::token_response::reissued;
use crate::app::error::AccountError;
use crate::app::token_issuer::{TokenIssuer, TokenPair};
use crate::domain::{AuditEventKind, AuditLog, AuditSubject, Lifetimes, RefreshToken, Revoked, UserSession};
use crate::store::{EndSession, FindSession, LoadSigningKey, UpdateOutcome, UpdateUser, UserUpdate};

/// The maximum number of attempts while the user changes concurrently.
const MAX_ATTEMPTS: usize = 3;

pub struct Signout<S, K, L, R, C> {
    pub sessions: S,
    pub verifier: Verifier<K, C>,
    pub issuer: TokenIssuer<L>,
    pub lifetimes: Lifetimes,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Local,
    Others,
    Global,
}

#[derive(Serialize)]
struct SignedOut {
    message: &'static str,
}

/// Signs out. The scope `local`, which is the default, ends the session of the access token or, without a valid one, that of
/// the refresh token in the cookie, so that a user can sign out after the access token has expired. If neither is valid, no
/// session ends, but the cookies are cleared, since a page cannot clear them itself.
/// # Errors
/// A 400 for an unknown scope; a 401 if other sessions should end and the token is invalid or its session has ended; a 503
/// if a session could not be ended, which keeps the cookies for a retry.
pub async fn signout<S, K, L, R, C>(deps: &Signout<S, K, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: FindSession + EndSession + UpdateUser + Sync,
    K: LoadKeys + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    match scope(&request)? {
        Scope::Local => {
            end_own(deps, &request).await?;
            cleared("You are signed out.")
        }
        others_or_all => match revoke(deps, &request, others_or_all).await? {
            Some(grant) => reissued("You are signed out everywhere else.", &grant, &request),
            None => cleared("You are signed out everywhere."),
        },
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

fn cleared(message: &'static str) -> Result<Response, Problem> {
    let mut answer = Response::json(StatusCode::OK, &SignedOut { message })?;
    answer.headers.extend(cookies::cleared());
    Ok(answer)
}

/// Ends the session of the request: one round trip with a valid access token, two with a refresh token.
async fn end_own<S, K, L, R, C>(deps: &Signout<S, K, L, R, C>, request: &Request) -> Result<(), Problem>
where
    S: FindSession + EndSession + Sync,
    K: LoadKeys + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let own = match authenticate(&deps.verifier, request).await {
        Ok(principal) => Some((principal.user_id, principal.session_id)),
        Err(problem) if *problem.problem_type == problem_types::UNAUTHENTICATED => {
            of_refresh_token(deps, request).await?
        }
        Err(problem) => return Err(problem),
    };
    let Some((user, session)) = own else { return Ok(()) };
    let now = deps.clock.now();
    let subject = AuditSubject::User(user);
    let record = deps.audit_log.event(AuditEventKind::SessionEnded, subject, &caller(request), now, &deps.random);
    let record = record.in_session(session);
    deps.sessions.end_session(user, session, now, &record).await.map_err(AccountError::from)?;
    Ok(())
}

/// Finds the active session of the refresh token in the cookie.
async fn of_refresh_token<S, K, L, R, C>(
    deps: &Signout<S, K, L, R, C>,
    request: &Request,
) -> Result<Option<(UserId, SessionId)>, AccountError>
where
    S: FindSession,
    C: Clock,
{
    let Some(token) = refresh_token_cookie(request).and_then(|text| RefreshToken::parse(text.expose()).ok()) else {
        return Ok(None);
    };
    let found = deps.sessions.find_session(token.user, token.session).await?;
    let ends = |found: &UserSession| {
        found.ensure_active(deps.clock.now()).is_ok() && found.session.matches_refresh_token(&token)
    };
    Ok(found.filter(ends).map(|_| (token.user, token.session)))
}

/// Ends all sessions of the user by raising the epoch, in two round trips. With `others`, the current session stays active
/// and its new tokens are returned.
async fn revoke<S, K, L, R, C>(
    deps: &Signout<S, K, L, R, C>,
    request: &Request,
    scope: Scope,
) -> Result<Option<TokenPair>, Problem>
where
    S: FindSession + UpdateUser + Sync,
    K: LoadKeys + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let now = deps.clock.now();
    let others = scope == Scope::Others;
    for _ in 0..MAX_ATTEMPTS {
        // Loads the key first: without it the current session would be lost.
        let key = async { if others { deps.issuer.signing_key.get().await.map(drop) } else { Ok(()) } };
        let (key, found) = join(key, signed_in(&deps.sessions, &deps.verifier, &deps.clock, request)).await;
        let (_, UserSession { user, session }) = found?;
        key?;
        let after = user.next_version(now).revoked();
        let token = RefreshToken::new(user.id, session.id, &deps.random);
        let retained_session = others.then(|| session.rebind_to_epoch(after.epoch, &token, deps.lifetimes, now));
        let subject = AuditSubject::User(user.id);
        let record =
            deps.audit_log.event(AuditEventKind::SessionsRevoked, subject, &caller(request), now, &deps.random);
        let record = record.in_session(session.id).with_detail(if others { "all but this one" } else { "all" });
        let change = UserUpdate {
            before: &user,
            after: &after,
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: retained_session.as_ref(),
            event: &record,
        };
        match deps.sessions.update_user(change).await.map_err(AccountError::from)? {
            UpdateOutcome::Updated => {
                let Some(session) = retained_session else { return Ok(None) };
                return Ok(Some(deps.issuer.grant(&after, &session, &token, now).await?));
            }
            UpdateOutcome::VersionConflict(_) => {}
            UpdateOutcome::SessionConflict => return Err(AccountError::from(Revoked::SessionEnded).into()),
            UpdateOutcome::IdentifierTaken(identifiers) => {
                return Err(AccountError::IdentifierTaken(identifiers).into());
            }
        }
    }
    Err(AccountError::UserKeptChanging.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use auth::LoadKeysError;
    use kernel::Timestamp;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use lambda_http::{Body, RequestExt};
    use serde_json::json;

    use super::*;
    use crate::app::cached_signing_key::CachedSigningKey;
    use crate::domain::{Refresh, Session, UserStatus};
    use crate::testing::sessions::{Sessions, session, session_and_token};
    use crate::testing::{
        Key, LIFETIMES, PublicKeys, ada, audit_log, body_of, cookie_of, issuer, now, signed_in_as_ada, verifier,
        verifier_with,
    };

    type Deps = Signout<Sessions, PublicKeys, Key, SeededRandom, FixedClock>;

    fn deps_with(sessions: Sessions) -> Deps {
        Signout {
            sessions,
            verifier: verifier(),
            issuer: issuer(),
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(1),
            clock: FixedClock(now()),
        }
    }

    /// With Ada's session, and another of hers.
    fn deps() -> Deps {
        deps_with(Sessions::of_ada([session(5), session(6)]))
    }

    fn request(scope: &str) -> Request {
        let parameters = HashMap::from([("scope".to_owned(), scope.to_owned())]);
        signed_in_as_ada(session(5).id, now()).with_query_string_parameters(parameters)
    }

    /// The same request from a browser, with the token in its cookie.
    fn by_cookie(mut request: Request) -> Request {
        let token = request.headers_mut().remove("authorization").unwrap();
        let cookie = format!("access_token={}", token.to_str().unwrap().strip_prefix("Bearer ").unwrap());
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request
    }

    fn without_a_good_token() -> [Request; 3] {
        let mut garbage = Request::new(Body::Empty);
        garbage.headers_mut().insert("cookie", "access_token=a.b.c".parse().unwrap());
        let an_hour_ago = Timestamp::from_unix_seconds(now().unix_seconds() - 3600).unwrap();
        [Request::new(Body::Empty), garbage, signed_in_as_ada(session(5).id, an_hour_ago)]
    }

    fn assert_cleared(answer: &Response) {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers, cookies::cleared());
    }

    fn ended(deps: &Deps) -> Vec<bool> {
        deps.sessions.state().sessions.iter().map(|session| session.ended_at.is_some()).collect()
    }

    #[tokio::test]
    async fn the_token_s_session_is_ended_and_both_cookies_are_cleared() {
        for request in [signed_in_as_ada(session(5).id, now()), request("local"), by_cookie(request("local"))] {
            let deps = deps();
            assert_cleared(&signout(&deps, request).await.unwrap());
            assert_eq!((ended(&deps), deps.sessions.recorded()), (vec![true, false], vec!["SESSION_ENDED"]));
            assert_eq!(deps.sessions.state().recorded[0].session, Some(session(5).id));
        }
    }

    #[tokio::test]
    async fn without_a_good_token_nothing_is_ended_and_the_cookies_are_cleared_all_the_same() {
        for request in without_a_good_token() {
            let deps = deps();
            assert_cleared(&signout(&deps, request).await.unwrap());
            assert_eq!((ended(&deps), deps.sessions.recorded()), (vec![false, false], vec![]));
        }
    }

    /// The same request from a browser that has this refresh token too.
    fn with_refresh_token(mut request: Request, token: &RefreshToken) -> Request {
        let cookie = format!("refresh_token={}", token.to_text().expose());
        request.headers_mut().append("cookie", cookie.parse().unwrap());
        request
    }

    fn rotated(session: &Session, token: &RefreshToken, seed: u64) -> (Session, RefreshToken) {
        match session.refresh(token, LIFETIMES, now(), &SeededRandom::new(seed)) {
            Refresh::Rotated(session, successor) => (*session, successor),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn without_a_good_access_token_the_refresh_token_s_session_is_ended() {
        let (started, first) = session_and_token(5);
        let (once, second) = rotated(&started, &first, 8);
        for (own, token) in [(&started, &first), (&once, &second), (&once, &first)] {
            for request in without_a_good_token() {
                let deps = deps_with(Sessions::of_ada([own.clone(), session(6)]));
                assert_cleared(&signout(&deps, with_refresh_token(request, token)).await.unwrap());
                assert_eq!((ended(&deps), deps.sessions.recorded()), (vec![true, false], vec!["SESSION_ENDED"]));
                assert_eq!(deps.sessions.state().recorded[0].session, Some(own.id));
            }
        }
    }

    #[tokio::test]
    async fn where_both_tokens_are_there_the_access_token_says_which_session_ends() {
        let (other, token) = session_and_token(6);
        let deps = deps_with(Sessions::of_ada([session(5), other]));
        assert_cleared(&signout(&deps, with_refresh_token(by_cookie(request("local")), &token)).await.unwrap());
        assert_eq!(ended(&deps), [true, false]);
    }

    #[tokio::test]
    async fn a_refresh_token_that_is_not_the_session_s_or_whose_session_is_over_ends_nothing() {
        type Change = fn(&mut crate::testing::sessions::State);
        let (started, first) = session_and_token(5);
        let (once, second) = rotated(&started, &first, 8);
        let (twice, third) = rotated(&once, &second, 9);
        let forged = RefreshToken::new(first.user, first.session, &SeededRandom::new(99));
        let elsewhere = session_and_token(7).1;
        let mut anothers = third.clone();
        anothers.user = UserId::random(&SeededRandom::new(99));
        for token in [&first, &forged, &elsewhere, &anothers] {
            let deps = deps_with(Sessions::of_ada([twice.clone()]));
            assert_cleared(&signout(&deps, with_refresh_token(Request::new(Body::Empty), token)).await.unwrap());
            assert_eq!((ended(&deps), deps.sessions.recorded()), (vec![false], vec![]));
        }

        let over: [Change; 3] = [
            |state| state.sessions[0].expires_at = now(),
            |state| state.user.as_mut().unwrap().epoch = 1,
            |state| state.user.as_mut().unwrap().status = UserStatus::Suspended,
        ];
        for change in over {
            let deps = deps_with(Sessions::of_ada([twice.clone()]));
            change(&mut deps.sessions.state());
            assert_cleared(&signout(&deps, with_refresh_token(Request::new(Body::Empty), &third)).await.unwrap());
            assert_eq!((ended(&deps), deps.sessions.recorded()), (vec![false], vec![]));
        }
    }

    #[tokio::test]
    async fn a_refresh_token_ends_no_more_than_its_session() {
        let token = session_and_token(5).1;
        for scope in ["others", "global"] {
            let deps = deps();
            let parameters = HashMap::from([("scope".to_owned(), scope.to_owned())]);
            let request = Request::new(Body::Empty).with_query_string_parameters(parameters);
            let problem = signout(&deps, with_refresh_token(request, &token)).await.unwrap_err();
            assert_eq!((problem.problem_type, deps.sessions.recorded()), (&problem_types::UNAUTHENTICATED, vec![]));
        }
    }

    #[tokio::test]
    async fn signing_out_everywhere_raises_the_epoch_and_clears_both_cookies() {
        let deps = deps();
        assert_cleared(&signout(&deps, request("global")).await.unwrap());
        let state = deps.sessions.state();
        let user = state.user.clone().unwrap();
        assert_eq!((user.epoch, user.version), (1, 2));
        assert!(state.sessions.iter().all(|session| session.epoch == 0), "none is carried to the new epoch");
        assert_eq!(state.recorded[0].detail.as_deref(), Some("all"));
        drop(state);
        assert_eq!(deps.sessions.recorded(), ["SESSIONS_REVOKED"]);
    }

    #[tokio::test]
    async fn signing_out_everywhere_else_keeps_this_session_with_a_token_of_the_new_epoch() {
        let mut deps = deps();
        deps.clock.0 = now().plus(Duration::from_mins(1));
        let answer = body_of(&signout(&deps, request("others")).await.unwrap());
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let expected = json!({
            "message": "You are signed out everywhere else.", "access_token": token, "token_type": "Bearer",
            "expires_in": 900, "refresh_token": answer["refresh_token"], "refresh_expires_in": 3540
        });
        assert_eq!(answer, expected);
        let refresh_token = RefreshToken::parse(answer["refresh_token"].as_str().unwrap()).unwrap();
        let principal = verifier().verify(&token).await.unwrap();
        assert_eq!((principal.session_id, principal.epoch), (session(5).id, 1));
        let mut state = deps.sessions.state();
        let epochs: Vec<_> = state.sessions.iter().map(|session| session.epoch).collect();
        assert_eq!((state.user.as_ref().unwrap().epoch, epochs), (1, vec![1, 0]));
        let kept = state.session(session(5).id);
        assert_eq!((kept.token_expires_at, &kept.refresh_hash), (principal.expires_at, &refresh_token.hash()));
        assert_eq!(
            (state.recorded[0].kind, &state.recorded[0].session),
            (AuditEventKind::SessionsRevoked, &Some(session(5).id))
        );
    }

    #[tokio::test]
    async fn a_browser_that_signs_out_everywhere_else_gets_its_tokens_as_cookies() {
        let answer = signout(&deps(), by_cookie(request("others"))).await.unwrap();
        assert_eq!(body_of(&answer), json!({"message": "You are signed out everywhere else."}));
        let token = cookie_of(&answer, "access_token").unwrap();
        assert_eq!(verifier().verify(&token).await.unwrap().epoch, 1);
        assert!(RefreshToken::parse(&cookie_of(&answer, "refresh_token").unwrap()).is_ok());
    }

    #[tokio::test]
    async fn more_than_this_session_is_ended_by_a_token_that_is_good_and_stands_for_something() {
        for scope in ["others", "global"] {
            for request in without_a_good_token() {
                let deps = deps();
                let parameters = HashMap::from([("scope".to_owned(), scope.to_owned())]);
                let problem = signout(&deps, request.with_query_string_parameters(parameters)).await.unwrap_err();
                assert_eq!((problem.problem_type, deps.sessions.recorded()), (&problem_types::UNAUTHENTICATED, vec![]));
            }
            let deps = deps();
            deps.sessions.state().session(session(5).id).ended_at = Some(now());
            assert_eq!(signout(&deps, request(scope)).await.unwrap_err().problem_type, &problem_types::UNAUTHENTICATED);
            assert_eq!(deps.sessions.state().user, Some(ada()));
        }
    }

    #[tokio::test]
    async fn a_person_who_changes_meanwhile_is_read_again_and_one_who_is_revoked_meanwhile_is_not_revoked_twice() {
        for scope in ["others", "global"] {
            let deps = deps();
            deps.sessions.meanwhile(|state| {
                let user = state.user.as_mut().unwrap();
                (user.version, user.email_verified) = (2, true);
            });
            assert!(signout(&deps, request(scope)).await.is_ok());
            let user = deps.sessions.state().user.clone().unwrap();
            assert_eq!((user.version, user.epoch, user.email_verified), (3, 1, true));

            let deps = deps_with(Sessions::of_ada([session(5)]));
            deps.sessions.meanwhile(|state| {
                let user = state.user.as_mut().unwrap();
                (user.version, user.epoch) = (2, 1);
            });
            assert_eq!(signout(&deps, request(scope)).await.unwrap_err().problem_type, &problem_types::UNAUTHENTICATED);
            assert_eq!(deps.sessions.state().user.as_ref().unwrap().epoch, 1);
        }
    }

    #[tokio::test]
    async fn a_session_that_ends_meanwhile_is_carried_nowhere() {
        let deps = deps();
        deps.sessions.meanwhile(|state| state.session(session(5).id).ended_at = Some(now()));
        assert_eq!(signout(&deps, request("others")).await.unwrap_err().problem_type, &problem_types::UNAUTHENTICATED);
        assert_eq!(deps.sessions.state().user, Some(ada()));
    }

    #[tokio::test]
    async fn without_a_key_for_the_token_to_go_on_with_nothing_is_revoked() {
        let keyless = TokenIssuer { signing_key: CachedSigningKey::new(Key(None)), ..issuer() };
        let deps = Signout { issuer: keyless, ..deps() };
        assert_eq!(signout(&deps, request("others")).await.unwrap_err().problem_type, &problem_types::UNAVAILABLE);
        assert_eq!(deps.sessions.state().user, Some(ada()));
        assert!(signout(&deps, request("global")).await.is_ok(), "that needs none");
    }

    #[tokio::test]
    async fn another_scope_is_refused_rather_than_ignored() {
        for scope in ["", "all", "Global", "local,global"] {
            let deps = deps();
            let problem = signout(&deps, request(scope)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, problem.errors[0].pointer.as_str()), (400, "/scope"), "{scope}");
            assert!(deps.sessions.recorded().is_empty());
        }
    }

    #[tokio::test]
    async fn what_could_not_be_ended_is_a_503_that_leaves_the_cookies() {
        let no_keys = || verifier_with(PublicKeys(Err(LoadKeysError("no answer".to_owned()))));
        for scope in ["local", "others", "global"] {
            let keyless = Signout { verifier: no_keys(), ..deps() };
            for deps in [deps_with(Sessions::busy()), keyless] {
                let problem = signout(&deps, request(scope)).await.unwrap_err();
                assert_eq!(problem.problem_type, &problem_types::UNAVAILABLE);
                assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
            }
        }
        let by_refresh_token = with_refresh_token(Request::new(Body::Empty), &session_and_token(5).1);
        let problem = signout(&deps_with(Sessions::busy()), by_refresh_token).await.unwrap_err();
        assert_eq!((problem.problem_type, problem.headers.len()), (&problem_types::UNAVAILABLE, 1));
    }
}
