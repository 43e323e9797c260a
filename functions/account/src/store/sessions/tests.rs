//! Tests of sessions.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kernel::UserId;
use kernel::testing::SeededRandom;

use super::super::testing::{Accounts, LIFETIMES, event, hash, now, session, session_and_token, start, user};
use super::super::{CreateUserOutcome, SignInAttempt, UpdateOutcome, UpdatePlan, keys};
use super::*;
use crate::domain::throttle::RateLimit;
use crate::domain::{AuditEventKind, PasswordHash, Refresh, RefreshToken, User, UserStatus};

#[tokio::test]
async fn started_session_is_found_and_has_ttl() {
    let (accounts, ada) = Accounts::with_ada().await;
    let session = session(2);
    assert_eq!(start(&accounts, &ada, &session).await, Ok(StartSessionOutcome::Started));
    assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
    let found = accounts.table.find_session(ada.id, session.id).await;
    assert_eq!(found, Ok(Some(UserSession { user: ada, session: session.clone() })));
    let records = accounts.records().await;
    let item = records.iter().find(|item| item["sk"] == AttributeValue::S(format!("SESSION#{}", session.id))).unwrap();
    assert_eq!(item["expiresAt"], AttributeValue::N(session.expires_at.unix_seconds().to_string()));
}

#[tokio::test]
async fn start_session_for_changed_user_returns_current_credential() {
    let (accounts, ada) = Accounts::with_ada().await;
    let suspended = User { status: UserStatus::Suspended, version: 2, ..ada.clone() };
    let plan = UpdatePlan::new(suspended.clone(), event(AuditEventKind::UserSuspended));
    assert_eq!(accounts.table.update_user(&ada, &plan).await, Ok(UpdateOutcome::Updated));
    accounts.engine.round_trips();
    let Ok(StartSessionOutcome::CredentialChanged(Some(current))) = start(&accounts, &ada, &session(2)).await else {
        panic!()
    };
    assert_eq!((current.user, current.password_hash), (suspended, hash()));
    assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
}

#[tokio::test]
async fn start_session_with_a_released_identifier_is_rejected() {
    let (accounts, ada) = Accounts::with_ada().await;
    let email = Identifier::Email(ada.email.clone());
    accounts.delete(keys::identifier(&email)).await;
    assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::CredentialChanged(None)));
    // Only its counter of attempts exists.
    accounts.table.count_attempt(&email, now()).await.unwrap();
    assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::CredentialChanged(None)));
    assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
}

#[tokio::test]
async fn start_session_is_retried_on_conflict() {
    let (accounts, ada) = Accounts::with_ada().await;
    accounts.engine.raise_transaction_conflicts(1, 0, 2);
    assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::Started));
    assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"; 2]);
}

#[tokio::test]
async fn sign_in_resets_attempts_of_its_identifier_only() {
    let (accounts, ada) = Accounts::with_ada().await;
    let [email, phone] = &ada.identifiers()[..] else { panic!() };
    for _ in 0..3 {
        for identifier in [email, phone] {
            accounts.table.count_attempt(identifier, now()).await.unwrap();
        }
    }
    assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::Started));
    for (identifier, expected) in [(email, 1), (phone, 4)] {
        let counted = accounts.table.count_attempt(identifier, now()).await.unwrap();
        assert!(
            matches!(&counted, RateLimit::Allowed(SignInAttempt { counted, .. }) if counted.number == expected),
            "{counted:?}"
        );
    }
}

#[tokio::test]
async fn upgraded_hash_is_stored_for_every_identifier() {
    let (accounts, ada) = Accounts::with_ada().await;
    let other = PasswordHash::dummy();
    let [email, ..] = &ada.identifiers()[..] else { panic!() };
    let new = NewSession {
        user: &ada,
        identifier: email,
        new_hash: Some(&other),
        session: &session(2),
        event: &event(AuditEventKind::SignedIn),
    };
    assert_eq!(accounts.table.start_session(new).await, Ok(StartSessionOutcome::Started));
    for identifier in ada.identifiers() {
        let found = accounts.table.find_credential(&identifier).await.unwrap().unwrap();
        assert_eq!(found.password_hash, other);
        assert_ne!(found.password_hash, hash());
    }
}

#[tokio::test]
async fn session_and_audit_event_are_stored_together() {
    let (accounts, ada) = Accounts::with_ada().await;
    let email = keys::identifier(&Identifier::Email(ada.email.clone()));
    accounts.set(email, "version", AttributeValue::N("2".to_owned())).await;
    start(&accounts, &ada, &session(2)).await.unwrap();
    assert!(accounts.audited().await.is_empty());
    let now = User { version: 2, ..ada };
    assert_eq!(start(&accounts, &now, &session(2)).await, Ok(StartSessionOutcome::Started));
    assert_eq!(accounts.audited().await, ["SIGNED_IN"]);
}

#[tokio::test]
async fn session_ends_once_in_one_round_trip() {
    let (accounts, ada) = Accounts::with_ada().await;
    let (ended, other) = (session(2), session(3));
    for session in [&ended, &other] {
        start(&accounts, &ada, session).await.unwrap();
    }
    accounts.engine.round_trips();
    for (later, expected) in
        [(Duration::ZERO, EndSessionOutcome::Ended), (Duration::from_secs(9), EndSessionOutcome::AlreadyEnded)]
    {
        let event = event(AuditEventKind::SessionEnded);
        let outcome = accounts.table.end_session(ada.id, ended.id, now().plus(later), &event).await;
        assert_eq!(outcome, Ok(expected));
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        let found = accounts.table.find_session(ada.id, ended.id).await.unwrap().unwrap();
        assert_eq!(found.session.ended_at, Some(now()));
        accounts.engine.round_trips();
    }
    let found = accounts.table.find_session(ada.id, other.id).await.unwrap().unwrap();
    assert_eq!(found.session.ended_at, None);
    assert_eq!(accounts.audited().await, ["SIGNED_IN", "SIGNED_IN", "SESSION_ENDED"]);
}

#[tokio::test]
async fn ending_missing_session_creates_no_item() {
    let (accounts, ada) = Accounts::with_ada().await;
    let event = event(AuditEventKind::SessionEnded);
    let outcome = accounts.table.end_session(ada.id, session(2).id, now(), &event).await;
    assert_eq!(outcome, Ok(EndSessionOutcome::NotFound));
    assert_eq!((accounts.records().await.len(), accounts.audited().await.len()), (3, 0));
}

#[tokio::test]
async fn session_is_found_for_its_user_only_in_one_round_trip() {
    let (accounts, ada) = Accounts::with_ada().await;
    let bob = user(2, "bob@example.com", None);
    assert_eq!(
        accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
        Ok(CreateUserOutcome::Created)
    );
    start(&accounts, &ada, &session(2)).await.unwrap();
    accounts.engine.round_trips();
    assert!(accounts.table.find_session(ada.id, session(2).id).await.unwrap().is_some());
    assert_eq!(accounts.engine.round_trips(), ["BatchGetItem"]);
    assert_eq!(accounts.table.find_session(bob.id, session(2).id).await, Ok(None));
    assert_eq!(accounts.table.find_session(ada.id, session(3).id).await, Ok(None));
}

#[tokio::test]
async fn session_of_deleted_user_is_not_found() {
    let (accounts, ada) = Accounts::with_ada().await;
    start(&accounts, &ada, &session(2)).await.unwrap();
    accounts.delete(keys::user(ada.id)).await;
    assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
}

#[tokio::test]
async fn sessions_of_one_user_are_listed_in_one_round_trip() {
    let (accounts, ada) = Accounts::with_ada().await;
    let bob = user(2, "bob@example.com", None);
    assert_eq!(
        accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
        Ok(CreateUserOutcome::Created)
    );
    for (user, seed) in [(&ada, 2), (&ada, 3), (&bob, 4)] {
        start(&accounts, user, &session(seed)).await.unwrap();
    }
    accounts.engine.round_trips();
    let mut expected = [session(2), session(3)];
    expected.sort_by_key(|session| std::cmp::Reverse(session.id));
    let page = async |after, limit| accounts.table.list_sessions(ada.id, after, limit).await.unwrap();
    assert_eq!(page(None, 100).await, SessionPage { sessions: expected.to_vec(), next: None });
    assert_eq!(accounts.engine.round_trips(), ["Query"]);
    let first = page(None, 1).await;
    assert_eq!((&first.sessions[..], first.next), (&expected[..1], Some(expected[0].id)));
    let second = page(first.next, 1).await;
    assert_eq!((&second.sessions[..], second.next), (&expected[1..], None));
    assert_eq!(page(Some(expected[1].id), 1).await, SessionPage { sessions: Vec::new(), next: None });
}

#[tokio::test]
async fn find_user_returns_none_for_unknown_id() {
    let (accounts, ada) = Accounts::with_ada().await;
    let unknown = UserId::random(&SeededRandom::new(99));
    assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada)));
    assert_eq!(accounts.table.find_user(unknown).await, Ok(None));
    let none = SessionPage { sessions: Vec::new(), next: None };
    assert_eq!(accounts.table.list_sessions(unknown, None, 100).await, Ok(none));
}

async fn with_session() -> (Accounts, User, Session, RefreshToken) {
    let (accounts, ada) = Accounts::with_ada().await;
    let (session, token) = session_and_token(&ada, 2);
    start(&accounts, &ada, &session).await.unwrap();
    accounts.engine.round_trips();
    (accounts, ada, session, token)
}

fn rotated(session: &Session, token: &RefreshToken, seed: u64) -> Session {
    let later = now().plus(Duration::from_mins(10));
    let Refresh::Rotated(after, _) = session.refresh(token, LIFETIMES, later, &SeededRandom::new(seed)) else {
        panic!()
    };
    *after
}

#[tokio::test]
async fn refresh_token_is_rotated_in_one_round_trip() {
    let (accounts, ada, session, token) = with_session().await;
    let after = rotated(&session, &token, 5);
    assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &after).await, Ok(true));
    assert_eq!(accounts.engine.round_trips(), ["PutItem"]);
    assert_eq!(accounts.table.find_session(ada.id, session.id).await.unwrap().unwrap().session, after);
}

#[tokio::test]
async fn concurrent_rotations_of_one_refresh_token_apply_one() {
    let (accounts, ada, session, token) = with_session().await;
    let accounts = Arc::new(accounts);
    let attempts: Vec<_> = (0..8)
        .map(|seed| {
            let (accounts, after, good) = (Arc::clone(&accounts), rotated(&session, &token, seed), token.hash());
            tokio::spawn(async move { accounts.table.rotate_refresh_token(ada.id, &good, &after).await.unwrap() })
        })
        .collect();
    let mut rotated = 0;
    for attempt in attempts {
        rotated += usize::from(attempt.await.unwrap());
    }
    assert_eq!(rotated, 1);
}

#[tokio::test]
async fn ended_session_is_not_rotated() {
    let (accounts, ada, session, token) = with_session().await;
    accounts.table.end_session(ada.id, session.id, now(), &event(AuditEventKind::SessionEnded)).await.unwrap();
    let after = rotated(&session, &token, 5);
    assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &after).await, Ok(false));
    assert!(accounts.table.find_session(ada.id, session.id).await.unwrap().unwrap().session.ended_at.is_some());
}

#[tokio::test]
async fn rotation_does_not_overwrite_session_of_new_epoch() {
    let (accounts, ada, session, token) = with_session().await;
    let after = ada.next_version(now()).revoked();
    let retained_session = session.rebind_to_epoch(after.epoch, &token, LIFETIMES, now());
    let event = event(AuditEventKind::SessionsRevoked);
    let plan = UpdatePlan { retained_session: Some(retained_session.clone()), ..UpdatePlan::new(after, event) };
    assert_eq!(accounts.table.update_user(&ada, &plan).await, Ok(UpdateOutcome::Updated));
    let rotation = rotated(&session, &token, 5);
    assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &rotation).await, Ok(false));
    let rotation = rotated(&retained_session, &token, 5);
    assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &rotation).await, Ok(true));
}

#[tokio::test]
async fn rotation_is_retried_on_transaction_conflict() {
    let (accounts, ada, session, token) = with_session().await;
    accounts.engine.raise_conflicts("PutItem", 2);
    let after = rotated(&session, &token, 5);
    assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &after).await, Ok(true));
    assert_eq!(accounts.engine.round_trips(), ["PutItem"; 3]);
}

#[tokio::test]
async fn command_whose_first_response_was_lost_has_succeeded() {
    let (accounts, ada) = Accounts::with_ada().await;
    let (bob, signed_up) = (user(9, "bob@example.com", None), event(AuditEventKind::SignedUp));
    for _ in 0..2 {
        let created = accounts.table.create_user(&bob, &hash(), &signed_up).await;
        assert_eq!(created, Ok(CreateUserOutcome::Created));
    }
    let session = session(2);
    assert_eq!(start(&accounts, &ada, &session).await, Ok(StartSessionOutcome::Started));
    let end = async |event: &AuditEvent| accounts.table.end_session(ada.id, session.id, now(), event).await;
    let ended = event(AuditEventKind::SessionEnded);
    for _ in 0..2 {
        assert_eq!(end(&ended).await, Ok(EndSessionOutcome::Ended));
    }
    assert_eq!(end(&event(AuditEventKind::SessionEnded)).await, Ok(EndSessionOutcome::AlreadyEnded));
}
