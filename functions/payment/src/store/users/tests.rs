use contracts::AccountEvent;
use dynamo::number;
use kernel::UserId;

use crate::app::PaymentError;
use crate::events::inbound::{ApplyError, apply};
use crate::testing::{TestApp, user_key, withdrawal};

impl TestApp {
    /// The stored version and epoch of a user.
    async fn replica(&self, id: UserId) -> (String, String) {
        let user = self.item(user_key(id)).await.unwrap();
        (user["version"].as_n().unwrap().clone(), user["epoch"].as_n().unwrap().clone())
    }
}

fn user(id: UserId, epoch: u64) -> contracts::User {
    contracts::User { id, email: "ada@example.com".to_owned(), status: contracts::UserStatus::Active, epoch }
}

#[tokio::test]
async fn newest_version_wins_in_any_order_of_events() {
    let app = TestApp::new().await;
    let id = UserId::random(&app.random);
    for version in [3, 1, 2, 3, 2, 1] {
        app.apply(version, AccountEvent::UserUpdated(user(id, version * 10))).await.unwrap();
    }
    assert_eq!(app.replica(id).await, ("3".to_owned(), "30".to_owned()));
}

#[tokio::test]
async fn update_of_a_user_keeps_their_accounts() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    app.apply(2, AccountEvent::UserUpdated(user(ada.id, 0))).await.unwrap();
    assert_eq!(app.balance(ada, "main").await, 10);
}

#[tokio::test]
async fn partial_replication_is_completed_by_the_next_delivery() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    // The replica was updated, and the function ended before it updated the account.
    app.set(user_key(ada.id), "epoch", number(7)).await;
    app.set(user_key(ada.id), "version", number(2)).await;

    app.apply(2, AccountEvent::UserUpdated(user(ada.id, 7))).await.unwrap();

    let outcome = app.move_money(ada, withdrawal("main"), 1).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
}

#[tokio::test]
async fn epoch_is_raised_despite_conflicting_transactions() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    app.open_debit(ada, "savings", 10).await;
    app.engine.raise_transaction_conflicts(4, 0, 1);
    app.apply(2, AccountEvent::UserUpdated(user(ada.id, 1))).await.unwrap();
    for account in ["main", "savings"] {
        let outcome = app.move_money(ada, withdrawal(account), 1).await;
        assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{account}: {outcome:?}");
    }
}

#[tokio::test]
async fn older_event_does_not_lower_the_epoch() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    app.apply(3, AccountEvent::UserUpdated(user(ada.id, 2))).await.unwrap();
    app.apply(2, AccountEvent::UserUpdated(user(ada.id, 1))).await.unwrap();
    let stale = ada.with_epoch(1);
    assert!(matches!(app.move_money(stale, withdrawal("main"), 1).await, Err(PaymentError::Revoked(_))));
}

#[tokio::test]
async fn malformed_event_is_rejected_without_effect() {
    let app = TestApp::new().await;
    let id = UserId::random(&app.random);
    for body in ["", "{}", "nonsense"] {
        assert!(matches!(apply(&app.store, body).await, Err(ApplyError::Decode(_))), "{body}");
    }
    let outcome = app.apply(0, AccountEvent::UserCreated(user(id, 0))).await;
    assert!(matches!(outcome, Err(ApplyError::InvalidVersion)), "{outcome:?}");
    assert_eq!(app.items().await, []);
}
