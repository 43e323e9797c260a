use std::time::Duration;

use auth::LoadKeys;
use auth::table_keys::TableKeys;
use contracts::{AccountEvent, RetiredKey, SigningKey};
use dynamo::{key, text};
use kernel::{Clock, KeyId};

use crate::testing::{TABLE, TestApp};

impl TestApp {
    /// The public keys that are not retired.
    async fn public_keys(&self) -> Vec<String> {
        let keys = TableKeys::new(self.engine.client.clone(), TABLE).load_keys().await.unwrap();
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
async fn older_event_does_not_replace_a_public_key() {
    let app = TestApp::new().await;
    app.apply(2, published("new")).await.unwrap();
    app.apply(1, published("old")).await.unwrap();
    let stored = app.item(key("SIGNING_KEYS", "KEY#a")).await.unwrap();
    assert_eq!((&stored["kid"], &stored["publicKey"]), (&text("a"), &text("new")));
    assert_eq!(app.public_keys().await, ["new"]);
}

#[tokio::test]
async fn retired_key_is_not_loaded_in_any_order_of_events() {
    for order in [vec![1, 2], vec![2, 1], vec![1, 2, 1, 2], vec![2, 2, 1, 1]] {
        let app = TestApp::new().await;
        for version in &order {
            app.apply(*version, if *version == 1 { published("x") } else { retired() }).await.unwrap();
        }
        assert!(app.public_keys().await.is_empty(), "{order:?}");
    }
}

#[tokio::test]
async fn tombstone_expires_after_60_days() {
    let app = TestApp::new().await;
    app.apply(1, published("x")).await.unwrap();
    app.clock.set_step(Duration::ZERO);
    app.apply(2, retired()).await.unwrap();
    let tombstone = app.item(key("SIGNING_KEYS", "KEY#a")).await.unwrap();
    assert!(!tombstone.contains_key("publicKey"));
    let expires_at = app.clock.now().unix_seconds() + 60 * 24 * 3600;
    assert_eq!(tombstone["expiresAt"].as_n().unwrap(), &expires_at.to_string());
}

#[tokio::test]
async fn keys_that_do_not_fit_one_page_are_not_loaded_in_part() {
    let app = TestApp::new().await;
    app.apply(1, published("x")).await.unwrap();
    // A page of a query is at most 1 MB.
    for number in 0..4 {
        app.set(key("SIGNING_KEYS", format_args!("KEY#{number}")), "padding", text("p".repeat(390_000))).await;
    }
    let loaded = TableKeys::new(app.engine.client.clone(), TABLE).load_keys().await;
    assert!(loaded.is_err(), "{loaded:?}");
}
