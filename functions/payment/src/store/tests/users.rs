use contracts::{AccountEvent, Envelope};

use super::*;
use crate::store::item::{number, user_key};
use crate::sync::{SyncError, apply};

impl World {
    async fn replica(&self, id: UserId) -> (String, String) {
        let user = self.item(user_key(id)).await.unwrap();
        (user["version"].as_n().unwrap().clone(), user["epoch"].as_n().unwrap().clone())
    }

    pub(super) async fn apply(&self, version: u64, event: AccountEvent) -> Result<(), SyncError> {
        let at = self.clock.now();
        let body = serde_json::to_string(&Envelope::new("aggregate", version, at, event)).unwrap();
        apply(&self.table, &body).await
    }
}

#[tokio::test]
async fn the_newest_event_wins_whatever_the_order_and_however_often_each_comes() {
    let world = World::new().await;
    let id = UserId::random(&world.random);
    for version in [3, 1, 2, 3, 2, 1] {
        world.apply(version, AccountEvent::UserUpdated(user(id, version * 10))).await.unwrap();
    }
    assert_eq!(world.replica(id).await, ("3".to_owned(), "30".to_owned()));
}

#[tokio::test]
async fn an_event_keeps_what_this_side_knows_of_the_person() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    world.apply(2, AccountEvent::UserUpdated(user(ada.id, 0))).await.unwrap();
    assert_eq!(world.balance(ada, "main").await, 10);
}

#[tokio::test]
async fn a_sync_that_ended_half_way_is_completed_by_the_same_event_again() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    // The replica was raised and the function died before the account was.
    let update = world.engine.client.update_item().table_name("PaymentTable").set_key(Some(user_key(ada.id)));
    let update = update.update_expression("SET epoch = :epoch, version = :version");
    let update = update.expression_attribute_values(":epoch", number(7));
    update.expression_attribute_values(":version", number(2)).send().await.unwrap();

    world.apply(2, AccountEvent::UserUpdated(user(ada.id, 7))).await.unwrap();

    let outcome = world.post(ada, withdrawal("main"), 1).await;
    assert!(matches!(outcome, Err(PostError::Revoked)), "{outcome:?}");
}

#[tokio::test]
async fn an_account_that_is_kept_busy_does_not_keep_the_fence_away() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    world.debit(ada, "savings", 10).await;
    world.engine.raise_transaction_conflicts(4, 0, 1);
    world.apply(2, AccountEvent::UserUpdated(user(ada.id, 1))).await.unwrap();
    for account in ["main", "savings"] {
        let outcome = world.post(ada, withdrawal(account), 1).await;
        assert!(matches!(outcome, Err(PostError::Revoked)), "{account}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_older_event_never_lowers_the_fence() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    world.apply(3, AccountEvent::UserUpdated(user(ada.id, 2))).await.unwrap();
    world.apply(2, AccountEvent::UserUpdated(user(ada.id, 1))).await.unwrap();
    let stale = Person { fence: Fence { epoch: 1, ..ada.fence }, ..ada };
    assert!(matches!(world.post(stale, withdrawal("main"), 1).await, Err(PostError::Revoked)));
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let id = UserId::random(&world.random);
    for body in ["", "{}", "nonsense"] {
        assert!(matches!(apply(&world.table, body).await, Err(SyncError::Unreadable(_))), "{body}");
    }
    let outcome = world.apply(0, AccountEvent::UserCreated(user(id, 0))).await;
    assert!(matches!(outcome, Err(SyncError::NoVersion)), "{outcome:?}");
    assert_eq!(world.items().await, []);
}
