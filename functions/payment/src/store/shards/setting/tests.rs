use std::time::Duration;

use dynamo::{Item, number, text};
use futures_util::future::join_all;
use kernel::{MAX_AMOUNT_MINOR, Random};

use super::*;
use crate::app::PaymentError;
use crate::app::set_write_shards::{set_write_shards, set_write_shards_by_operator};
use crate::domain::{EndedSession, FailureReason};
use crate::testing::{TestApp, TestUser, account, account_key, deposit, send, withdrawal};

const SHOP: &str = "shop";

struct Scene {
    app: TestApp,
    merchant: TestUser,
    customer: TestUser,
}

impl Scene {
    /// A merchant with an account of this balance without shards, and a customer with a purse.
    async fn new(balance: i64) -> Self {
        let app = TestApp::new().await;
        let (merchant, customer) = (app.user().await, app.user().await);
        app.open_debit(merchant, SHOP, balance).await;
        app.open_debit(customer, "purse", 100_000).await;
        app.engine.round_trips();
        Self { app, merchant, customer }
    }

    async fn set(&self, shards: i64) -> Result<Account, PaymentError> {
        let shards = WriteShards::or_none(shards).unwrap();
        let TestUser { id, claims } = self.merchant;
        set_write_shards(&self.app.store, id, &claims, &account(SHOP), shards).await
    }

    /// Pays after a conflict on the payee.
    async fn pay(&self, minor: i64) -> Result<(), PaymentError> {
        self.app.engine.raise_transaction_conflicts(1, 2, 3);
        let paid = self.app.move_money(self.customer, send("purse", SHOP), minor).await;
        self.app.engine.raise_transaction_conflicts(0, 2, 3);
        paid.map(drop)
    }

    async fn partition(&self) -> Vec<Item> {
        let items = self.app.items().await;
        items.into_iter().filter(|item| item["pk"] == text("ACCOUNT#shop")).collect()
    }

    async fn own_balance(&self) -> i64 {
        integer(&self.app.item(account_key(SHOP)).await.unwrap(), "balance")
    }

    /// Asserts that the books balance, and that the account can never exceed the maximum balance.
    async fn assert_bounded(&self) {
        self.app.assert_books_balance().await;
        let partition = self.partition().await;
        let headroom: Vec<i64> = partition.iter().map(|item| integer(item, "headroom")).collect();
        assert!(headroom.iter().all(|headroom| *headroom >= 0), "{headroom:?}");
        let balance = self.app.balance(self.merchant, SHOP).await;
        assert_eq!(headroom.iter().sum::<i64>() + balance, MAX_AMOUNT_MINOR);
        let account = partition.iter().find(|item| item["sk"] == text("ACCOUNT")).unwrap();
        let opened = account.get("drawn").map_or(0, |drawn| drawn.as_l().unwrap().len());
        assert_eq!(opened, partition.len() - 1);
    }
}

fn integer(item: &Item, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}

#[tokio::test]
async fn shards_turned_on_receive_credits_and_can_be_spent() {
    let scene = Scene::new(5).await;
    scene.set(8).await.unwrap();
    scene.assert_bounded().await;
    for _ in 0..3 {
        scene.pay(10).await.unwrap();
    }
    assert_eq!((scene.own_balance().await, scene.app.balance(scene.merchant, SHOP).await), (5, 35));
    scene.app.move_money(scene.merchant, withdrawal(SHOP), 35).await.unwrap();
    scene.assert_bounded().await;
}

#[tokio::test]
async fn shards_turned_off_are_drained_and_can_return() {
    let scene = Scene::new(0).await;
    scene.set(4).await.unwrap();
    scene.pay(10).await.unwrap();
    let off = scene.set(0).await.unwrap();
    assert_eq!((off.write_shards, off.opened_shards, off.balance.minor()), (None, Some(4), 10));
    scene.app.clock.advance(Duration::from_mins(11));
    scene.pay(20).await.unwrap();
    assert_eq!(scene.own_balance().await, 20);
    assert_eq!(scene.app.balance(scene.merchant, SHOP).await, 30);
    scene.app.move_money(scene.merchant, withdrawal(SHOP), 30).await.unwrap();
    scene.assert_bounded().await;
    let items = scene.app.items().await.len();
    scene.set(4).await.unwrap();
    assert_eq!(scene.app.items().await.len(), items);
    scene.assert_bounded().await;
}

#[tokio::test]
async fn other_functions_learn_of_new_shards_within_a_minute() {
    let scene = Scene::new(0).await;
    scene.pay(1).await.unwrap();
    scene.set(8).await.unwrap();
    scene.pay(2).await.unwrap();
    assert_eq!(scene.own_balance().await, 3);
    scene.app.clock.advance(Duration::from_mins(1));
    scene.pay(4).await.unwrap();
    assert_eq!((scene.own_balance().await, scene.app.balance(scene.merchant, SHOP).await), (3, 7));
}

/// A function that still credits a shard which receives no more: the amount is not lost.
#[tokio::test]
async fn credit_to_a_shard_turned_off_is_part_of_the_balance() {
    let scene = Scene::new(0).await;
    scene.set(8).await.unwrap();
    scene.pay(1).await.unwrap();
    scene.set(0).await.unwrap();
    scene.pay(2).await.unwrap();
    assert_eq!((scene.own_balance().await, scene.app.balance(scene.merchant, SHOP).await), (0, 3));
    scene.app.move_money(scene.merchant, withdrawal(SHOP), 3).await.unwrap();
    scene.assert_bounded().await;
}

#[tokio::test]
async fn shards_of_a_nearly_full_account_leave_its_limit() {
    let scene = Scene::new(MAX_AMOUNT_MINOR - 100).await;
    scene.set(3).await.unwrap();
    scene.assert_bounded().await;
    // A shard can receive 16, the account 52.
    scene.pay(16).await.unwrap();
    assert_eq!(scene.own_balance().await, MAX_AMOUNT_MINOR - 100);
    scene.pay(52).await.unwrap();
    let rejected = scene.pay(33).await;
    assert!(
        matches!(rejected, Err(PaymentError::Rejected { reason: FailureReason::HeadroomExceeded, .. })),
        "{rejected:?}"
    );
    scene.set(16).await.unwrap();
    scene.assert_bounded().await;
}

#[tokio::test]
async fn debit_between_read_and_write_keeps_the_sum() {
    let scene = Scene::new(500).await;
    scene.set(2).await.unwrap();
    scene.pay(70).await.unwrap();
    let store = scene.app.store.clone();
    let drain = scene.app.unkeyed(scene.merchant, withdrawal(SHOP), 560);
    scene.app.engine.before_next("TransactWriteItems", async move {
        crate::app::post_transfer::execute(&store, drain).await.unwrap();
    });
    scene.set(6).await.unwrap();
    assert_eq!(scene.app.balance(scene.merchant, SHOP).await, 10);
    scene.assert_bounded().await;
}

#[tokio::test]
async fn turning_off_while_another_turns_on_keeps_the_shards() {
    let scene = Scene::new(0).await;
    let (store, TestUser { id, claims }) = (scene.app.store.clone(), scene.merchant);
    scene.app.engine.before_next("TransactWriteItems", async move {
        set_write_shards(&store, id, &claims, &account(SHOP), WriteShards::new(4).ok()).await.unwrap();
    });
    scene.set(0).await.unwrap();
    scene.assert_bounded().await;
    assert_eq!(scene.partition().await.len(), 5);
}

#[tokio::test]
async fn headroom_used_between_read_and_write_is_not_reserved() {
    let scene = Scene::new(MAX_AMOUNT_MINOR - 100).await;
    let (store, payment) = (scene.app.store.clone(), scene.app.unkeyed(scene.customer, send("purse", SHOP), 60));
    scene.app.engine.before_next("TransactWriteItems", async move {
        crate::app::post_transfer::execute(&store, payment).await.unwrap();
    });
    scene.app.engine.round_trips();
    scene.set(2).await.unwrap();
    assert_eq!(scene.app.engine.round_trips(), ["Query", "TransactWriteItems", "Query", "TransactWriteItems"]);
    scene.assert_bounded().await;
}

#[tokio::test]
async fn account_frozen_between_read_and_write_gets_no_shards() {
    let scene = Scene::new(0).await;
    let client = scene.app.engine.client.clone();
    scene.app.engine.before_next("TransactWriteItems", async move {
        let update = client.update_item().table_name(crate::testing::TABLE).set_key(Some(account_key(SHOP)));
        let update = update.update_expression("SET #s = :frozen").expression_attribute_names("#s", "status");
        update.expression_attribute_values(":frozen", text("FROZEN")).send().await.unwrap();
    });
    let rejected = scene.set(2).await;
    assert!(
        matches!(rejected, Err(PaymentError::Rejected { reason: FailureReason::AccountFrozen(_), .. })),
        "{rejected:?}"
    );
    assert_eq!(scene.partition().await.len(), 1);
}

#[tokio::test]
async fn session_ended_between_read_and_write_sets_no_shards() {
    let scene = Scene::new(0).await;
    let (store, merchant) = (scene.app.store.clone(), scene.merchant);
    let now = scene.app.clock.stop();
    let expiry = now.plus(Duration::from_hours(1));
    scene.app.engine.before_next("TransactWriteItems", async move {
        let session = EndedSession::new(expiry, now, None);
        store.revoke_session(merchant.id, merchant.claims.session, session).await.unwrap();
    });
    let rejected = scene.set(2).await;
    assert!(matches!(rejected, Err(PaymentError::Revoked(_))), "{rejected:?}");
    assert_eq!(scene.partition().await.len(), 1);
}

#[tokio::test]
async fn concurrent_settings_open_each_shard_once() {
    let scene = Scene::new(0).await;
    let outcomes = join_all([3, 16, 5, 9].map(|shards| scene.set(shards))).await;
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    scene.assert_bounded().await;
    scene.set(16).await.unwrap();
    assert_eq!(scene.partition().await.len(), 17);
    scene.assert_bounded().await;
}

#[tokio::test]
async fn repeated_command_of_an_operator_is_recorded_once() {
    let scene = Scene::new(0).await;
    let operator = OperatorCommand { request_id: "r".to_owned(), reason: "case 4711".to_owned() };
    for _ in 0..2 {
        let shards = WriteShards::new(2).ok();
        set_write_shards_by_operator(&scene.app.store, &account(SHOP), shards, &operator).await.unwrap();
    }
    let items = scene.app.items().await;
    assert_eq!(items.iter().filter(|item| item.get("kind") == Some(&text("WRITE_SHARDS_SET"))).count(), 1);
    assert_eq!(scene.app.item(account_key(SHOP)).await.unwrap()["intakeShards"], number(2));
}

/// Random settings, credits and debits of accounts near the maximum balance.
#[tokio::test]
async fn random_operations_keep_books_and_limit() {
    for room in [7, 20_000] {
        let scene = Scene::new(MAX_AMOUNT_MINOR - room).await;
        let mut done = [0; 4];
        for _ in 0..50 {
            let mut bytes = [0; 2];
            scene.app.random.fill(&mut bytes);
            let [kind, size] = bytes;
            let (kind, minor) = (usize::from(kind % 4), i64::from(size) + 1);
            // Rejections are expected: what matters is the state after each operation.
            let is_done = match kind {
                0 => scene.set(minor % 17).await.is_ok(),
                1 => scene.pay(minor).await.is_ok(),
                2 => scene.app.move_money(scene.merchant, deposit(SHOP), minor).await.is_ok(),
                _ => scene.app.move_money(scene.merchant, withdrawal(SHOP), minor).await.is_ok(),
            };
            done[kind] += usize::from(is_done);
            if size % 8 == 0 {
                scene.app.clock.advance(Duration::from_mins(2));
            }
            scene.assert_bounded().await;
        }
        assert!(done.iter().all(|done| *done > 2), "{done:?}");
        let all = scene.app.balance(scene.merchant, SHOP).await;
        scene.app.move_money(scene.merchant, withdrawal(SHOP), all).await.unwrap();
        scene.assert_bounded().await;
    }
}
