use auth::LoadKeys;
use auth::table_keys::TableKeys;
use contracts::{AccountEvent, Envelope, RetiredKey, SigningKey};
use kernel::KeyId;

use super::*;
use crate::store::item::key;
use crate::sync::apply;

impl World {
    async fn hear(&self, version: u64, event: AccountEvent) {
        let body = serde_json::to_string(&Envelope::new("a", version, self.clock.now(), event)).unwrap();
        apply(&self.table, &body).await.unwrap();
    }

    /// The public halves that verify.
    async fn public_keys(&self) -> Vec<String> {
        let keys = TableKeys::new(self.engine.client.clone(), "PaymentTable").load_keys().await.unwrap();
        keys.into_iter().map(|key| key.x).collect()
    }
}

fn published(x: &str) -> AccountEvent {
    AccountEvent::SigningKeyPublished(SigningKey { kid: KeyId::new("a"), public_key: x.to_owned() })
}

fn retired() -> AccountEvent {
    AccountEvent::SigningKeyRetired(RetiredKey { kid: KeyId::new("a") })
}

#[tokio::test]
async fn a_public_key_is_stored_for_the_verifier_and_an_older_event_changes_nothing() {
    let world = World::new().await;
    world.hear(2, published("new")).await;
    world.hear(1, published("old")).await;
    let stored = world.item(key("SIGNING_KEYS", "KEY#a")).await.unwrap();
    assert_eq!((&stored["kid"], &stored["publicKey"]), (&text("a"), &text("new")));
    assert_eq!(world.public_keys().await, ["new"]);
}

#[tokio::test]
async fn a_retired_key_verifies_no_more_in_whatever_order_the_events_come_and_however_often() {
    for order in [vec![1, 2], vec![2, 1], vec![1, 2, 1, 2], vec![2, 2, 1, 1]] {
        let world = World::new().await;
        for version in &order {
            world.hear(*version, if *version == 1 { published("x") } else { retired() }).await;
        }
        assert!(world.public_keys().await.is_empty(), "{order:?}");
    }
}

#[tokio::test]
async fn a_tombstone_goes_when_no_older_event_can_come() {
    let world = World::new().await;
    world.hear(1, published("x")).await;
    *world.clock.step.lock().unwrap() = Duration::ZERO;
    world.hear(2, retired()).await;
    let tombstone = world.item(key("SIGNING_KEYS", "KEY#a")).await.unwrap();
    assert!(!tombstone.contains_key("publicKey"));
    let expires_at = world.clock.now().unix_seconds() + 60 * 24 * 3600;
    assert_eq!(tombstone["expiresAt"].as_n().unwrap(), &expires_at.to_string());
}
