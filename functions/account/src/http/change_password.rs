//! `POST /auth/password`: changes the password and ends every other session of the user.

use auth::{LoadKeys, Verifier};
use futures_util::future::join;
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use super::client_info::caller;
use super::session_auth::signed_in;
use super::token_response::reissued;
use crate::app::error::AccountError;
use crate::app::reauthenticate::{PlannedUpdate, ReauthRequest, Reauthenticate};
use crate::app::token_issuer::TokenIssuer;
use crate::domain::{AuditEventKind, Lifetimes, PasswordHash, PasswordPolicy, RefreshToken};
use crate::store::{AppendAuditEvent, CountReauthentication, FindCredential, FindSession, LoadSigningKey, UpdateUser};

pub struct ChangePassword<S, P, L, R, C> {
    pub verifier: Verifier<P, C>,
    pub users: Reauthenticate<S, R, C>,
    pub password_policy: PasswordPolicy,
    pub issuer: TokenIssuer<L>,
    pub lifetimes: Lifetimes,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = PasswordChange)]
pub(super) struct Body {
    #[schema(value_type = String, format = Password)]
    current_password: Secret<String>,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    new_password: Secret<String>,
}

/// Changes the password in three sequential round trips: the session; the check of the current password, joined with loading
/// the signing key; the update.
/// # Errors
/// A 400 if the new password is rejected or unchanged; a 401 if the token or the current password is invalid; a 429 after
/// too many failed attempts.
pub async fn change_password<S, P, L, R, C>(
    deps: &ChangePassword<S, P, L, R, C>,
    request: Request,
) -> Result<Response, Problem>
where
    S: CountReauthentication + FindCredential + FindSession + UpdateUser + AppendAuditEvent + Sync,
    P: LoadKeys + Sync,
    L: LoadSigningKey + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let ChangePassword { users, issuer, lifetimes, .. } = deps;
    let (principal, found) = signed_in(&users.users, &deps.verifier, &users.clock, &request).await?;
    let Body { current_password, new_password } = json_body(&request)?;
    let (email, phone) = (Some(&found.user.email), found.user.phone.as_ref());
    let new = deps.password_policy.accept(new_password, email, phone);
    let new = new.map_err(|refused| Problem::field("newPassword", refused))?;
    if new.matches(&current_password) {
        return Err(Problem::field("newPassword", "must be another than the one you have"));
    }
    let asker = ReauthRequest { principal, password: current_password, caller: caller(&request) };
    // The signing key is loaded first: without it the current session would be lost.
    let (key, proven) = join(issuer.signing_key.get(), users.verify_password(&asker, found)).await;
    let proven = proven?;
    key?;
    let hash = PasswordHash::new(&new, &users.random).map_err(AccountError::from)?;
    let token = RefreshToken::new(principal.user_id, principal.session_id, &users.random);
    let changed = users
        .change(&asker, proven, |found, now| {
            let user = found.user.next_version(now).revoked();
            let retained_session = found.session.rebind_to_epoch(user.epoch, &token, *lifetimes, now);
            let (new_hash, kind) = (Some(hash.clone()), AuditEventKind::PasswordChanged);
            Some(PlannedUpdate { user, new_hash, retained_session: Some(retained_session), kind, detail: None })
        })
        .await?;
    let grant = issuer.grant(&changed.user, &changed.session, &token, users.clock.now()).await?;
    reissued("Your password is changed. All your other sessions have ended.", &grant, &request)
}

#[cfg(test)]
mod tests {
    use contact::Email;
    use http_api::problem_types::{INVALID_REQUEST, UNAUTHENTICATED, UNAVAILABLE};
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use kernel::{SessionId, UserId};
    use serde_json::{Value, json};

    use super::*;
    use crate::app::cached_signing_key::CachedSigningKey;
    use crate::app::token_issuer::TokenIssuer;
    use crate::domain::throttle::RateLimit;
    use crate::domain::{Identifier, Session, User, UserStatus, hash_computations};
    use crate::http::problem_types::{INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS};
    use crate::testing::ada_on_engine::{AdaOnEngine, Meanwhile, Table, asks};
    use crate::testing::{Key, LIFETIMES, PASSWORD, PublicKeys, ada, body_of, cookie_of, hash, issuer, now, verifier};

    const NEW: &str = "another correct horse battery";

    fn deps(ada: &AdaOnEngine) -> ChangePassword<Table, PublicKeys, Key, SeededRandom, FixedClock> {
        ChangePassword {
            verifier: verifier(),
            users: ada.reauthenticate(),
            password_policy: "8".parse().unwrap(),
            issuer: issuer(),
            lifetimes: LIFETIMES,
        }
    }

    fn change(current: &str, new: &str) -> Value {
        json!({"currentPassword": current, "newPassword": new})
    }

    /// Which of the two passwords is good for each of Ada's identifiers.
    async fn good(ada: &AdaOnEngine) -> Vec<&'static str> {
        let mut good = Vec::new();
        for identifier in ada.ada().await.identifiers() {
            let hash = ada.credential(&identifier).await.unwrap().password_hash;
            good.extend(
                [PASSWORD, NEW].into_iter().filter(|password| hash.matches(&Secret::new((*password).to_owned()))),
            );
        }
        good
    }

    #[tokio::test]
    async fn the_password_changes_the_own_session_goes_on_with_a_fresh_token_and_every_other_ends() {
        let ada = AdaOnEngine::new().await;
        let (own, other) = (ada.session(1).await, ada.session(2).await);
        let (deps, before) = (deps(&ada), hash_computations());
        let answer = change_password(&deps, asks(&own, &change(PASSWORD, NEW))).await.unwrap();
        assert_eq!(ada.engine.round_trips(), ["BatchGetItem", "UpdateItem", "GetItem", "TransactWriteItems"]);
        assert_eq!(hash_computations() - before, 2);

        let body = body_of(&answer);
        let principal = deps.verifier.verify(body["access_token"].as_str().unwrap()).await.unwrap();
        let session = ada.find(&own).await;
        assert_eq!((principal.session_id, session.authorize(principal.epoch, now())), (own.id, Ok(())));
        assert_eq!(principal.expires_at, session.session.token_expires_at);
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert!(session.authorize(0, now()).is_err(), "the token that asked is good no more");
        assert!(ada.find(&other).await.ensure_active(now()).is_err());
        assert_eq!(good(&ada).await, [NEW, NEW]);
        assert_eq!(ada.recorded().await, [("PASSWORD_CHANGED".to_owned(), None)]);
    }

    #[tokio::test]
    async fn a_browser_has_the_fresh_tokens_in_its_cookies_alone() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let mut request = asks(&own, &change(PASSWORD, NEW));
        let token = request.headers_mut().remove("authorization").unwrap();
        let cookie = format!("access_token={}", token.to_str().unwrap().trim_start_matches("Bearer "));
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        let deps = deps(&ada);
        let answer = change_password(&deps, request).await.unwrap();
        let fresh = cookie_of(&answer, "access_token").unwrap();
        assert_eq!(deps.verifier.verify(&fresh).await.unwrap().epoch, 1);
        let refresh_token = RefreshToken::parse(&cookie_of(&answer, "refresh_token").unwrap()).unwrap();
        assert_eq!(ada.find(&own).await.session.refresh_hash, refresh_token.hash());
        assert!(!answer.body.contains(&fresh));
    }

    #[tokio::test]
    async fn a_password_that_may_not_be_chosen_is_pointed_at_before_anything_is_counted_or_hashed() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let (deps, before) = (deps(&ada), hash_computations());
        for (new, why) in [
            ("7 chars", "characters"),
            ("Password1", "common"),
            ("ADA@example.com", "e-mail"),
            ("06 12 34 56 78", "phone"),
            (PASSWORD, "another"),
        ] {
            let problem = change_password(&deps, asks(&own, &change(PASSWORD, new))).await.unwrap_err();
            assert_eq!(
                (problem.problem_type, problem.errors[0].pointer.as_str()),
                (&INVALID_REQUEST, "/newPassword"),
                "{new}"
            );
            assert!(problem.errors[0].detail.contains(why), "{}", problem.errors[0].detail);
            assert_eq!(ada.engine.round_trips(), ["BatchGetItem"]);
        }
        assert_eq!(hash_computations(), before);
    }

    #[tokio::test]
    async fn whoever_does_not_know_the_password_changes_nothing_and_has_as_few_guesses_as_one_who_signs_in() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let deps = deps(&ada);
        for attempt in 1..=5 {
            let before = hash_computations();
            let problem = change_password(&deps, asks(&own, &change("wrong", NEW))).await.unwrap_err();
            assert_eq!((problem.problem_type, hash_computations() - before), (&INVALID_CREDENTIALS, 1), "{attempt}");
        }
        let before = hash_computations();
        let problem = change_password(&deps, asks(&own, &change(PASSWORD, NEW))).await.unwrap_err();
        assert_eq!((problem.problem_type, hash_computations() - before), (&TOO_MANY_ATTEMPTS, 0));
        assert_eq!(problem.headers, [("retry-after", "1".to_owned())]);
        assert_eq!(good(&ada).await, [PASSWORD, PASSWORD]);
        let kinds: Vec<_> = ada.recorded().await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["REAUTHENTICATION_FAILED"; 5], "which locks no identifier");
    }

    #[tokio::test]
    async fn one_who_does_know_it_has_their_failed_guesses_forgotten() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let deps = deps(&ada);
        for password in ["wrong", "wrong", "wrong", PASSWORD] {
            let request = asks(&own, &change(password, NEW));
            assert_eq!(change_password(&deps, request).await.is_ok(), password == PASSWORD);
        }
        assert_eq!(ada.users().count_reauthentication(self::ada().id, now()).await, Ok(RateLimit::Allowed(1)));
    }

    #[tokio::test]
    async fn whoever_is_not_signed_in_is_asked_for_no_password() {
        let ada = AdaOnEngine::new().await;
        let gone = Session { id: SessionId::random(&SeededRandom::new(9)), ..ada.session(1).await };
        let problem = change_password(&deps(&ada), asks(&gone, &change(PASSWORD, NEW))).await.unwrap_err();
        assert_eq!(problem.problem_type, &UNAUTHENTICATED);
        assert_eq!(ada.engine.round_trips(), ["BatchGetItem"]);
    }

    /// What comes of a change of the password, if this happens just before.
    async fn although(ada: &AdaOnEngine, own: &Session, meanwhile: Meanwhile) -> Result<Response, Problem> {
        ada.before_change.happens(meanwhile);
        change_password(&deps(ada), asks(own, &change(PASSWORD, NEW))).await
    }

    #[tokio::test]
    async fn a_change_of_something_else_meanwhile_is_kept() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let verified = ada.change(|ada| User { phone_verified: true, ..ada }, None);
        assert!(although(&ada, &own, verified).await.is_ok());
        let now = ada.ada().await;
        assert_eq!((now.phone_verified, now.version, now.epoch), (true, 3, 1));
        assert_eq!(good(&ada).await, [NEW, NEW]);
    }

    #[tokio::test]
    async fn a_password_that_another_device_changed_meanwhile_stays_that_one() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let changed = ada.change(|ada| ada, Some(hash("yet another correct horse")));
        assert_eq!(although(&ada, &own, changed).await.unwrap_err().problem_type, &INVALID_CREDENTIALS);
        assert_eq!(good(&ada).await, Vec::<&str>::new());
    }

    #[tokio::test]
    async fn a_session_that_was_revoked_meanwhile_is_not_carried_on() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let revoked = ada.change(User::revoked, None);
        assert_eq!(although(&ada, &own, revoked).await.unwrap_err().problem_type, &UNAUTHENTICATED);

        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let suspended = ada.change(|ada| User { status: UserStatus::Suspended, ..ada }, None);
        assert_eq!(although(&ada, &own, suspended).await.unwrap_err().problem_type, &UNAUTHENTICATED);

        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let (table, session) = (std::sync::Arc::clone(&ada.table), own.id);
        let record = ada.record(AuditEventKind::SessionEnded);
        let ended = Box::pin(async move {
            table.end_session(self::ada().id, session, now(), &record).await.unwrap();
        });
        assert_eq!(although(&ada, &own, ended).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        assert_eq!(good(&ada).await, [PASSWORD, PASSWORD]);
    }

    #[tokio::test]
    async fn an_address_that_is_somebody_elses_meanwhile_shows_nothing_about_its_former_owner() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let email = Email::parse("ada@example.org").unwrap();
        let moved = ada.change(|ada| User { email, phone: None, ..ada }, None);
        let bob = User { id: UserId::random(&SeededRandom::new(8)), ..self::ada() };
        let claimed = ada.signs_up(bob.clone());
        ada.before_look.happens(Box::pin(async move {
            moved.await;
            claimed.await;
        }));
        let problem = change_password(&deps(&ada), asks(&own, &change(PASSWORD, NEW))).await.unwrap_err();
        assert_eq!(problem.problem_type, &INVALID_CREDENTIALS, "although Bob has the same password");
        assert_eq!(ada.credential(&Identifier::Email(bob.email.clone())).await.unwrap().user, bob);
    }

    #[tokio::test]
    async fn one_who_keeps_changing_is_to_try_again() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        for _ in 0..2 {
            ada.before_change.happens(ada.change(|ada| ada, None));
        }
        let problem = although(&ada, &own, ada.change(|ada| ada, None)).await.unwrap_err();
        assert_eq!(problem.problem_type, &UNAVAILABLE);
    }

    #[tokio::test]
    async fn nothing_changes_where_there_is_no_key_to_sign_the_fresh_token_with() {
        let ada = AdaOnEngine::new().await;
        let own = ada.session(1).await;
        let signing_key = CachedSigningKey::new(Key(None));
        let deps = ChangePassword { issuer: TokenIssuer { signing_key, ..issuer() }, ..deps(&ada) };
        let problem = change_password(&deps, asks(&own, &change(PASSWORD, NEW))).await.unwrap_err();
        assert_eq!((problem.problem_type, good(&ada).await), (&UNAVAILABLE, vec![PASSWORD, PASSWORD]));
    }
}
