//! Freezing and unfreezing an account.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{SystemClock, SystemRandom, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MAX_REASON_CHARACTERS, check_length};
use crate::app::PaymentError;
use crate::domain::{AccountStatus, FailureReason, Party, PaymentAccountId};
use crate::store::Store;
use crate::store::account_status::SetStatusOutcome;
use crate::store::commands::OperatorCommand;

/// The state of the function.
pub struct SetAccountStatus {
    pub store: Store,
}

/// The event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetStatusRequest {
    payment_account_id: PaymentAccountId,
    status: AccountStatus,
    /// The operator's reason, which is recorded.
    reason: String,
}

/// The account with its status.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusSet {
    payment_account_id: PaymentAccountId,
    user_id: UserId,
    status: AccountStatus,
}

/// The status was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetStatusError {
    /// The event is malformed. The message omits the cause: the message is logged, and the cause may quote the event.
    #[error("the event must be an object with paymentAccountId, status (ACTIVE or FROZEN) and reason")]
    InvalidEvent,
    #[error("{0}")]
    InvalidField(String),
    #[error(transparent)]
    Payment(#[from] PaymentError),
}

impl SetAccountStatus {
    /// # Errors
    ///
    /// [`ConfigError`] if an environment variable is missing or invalid.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self { store: Store::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom) })
    }
}

/// Sets the status of an account and its write shards, and records the command.
///
/// # Errors
///
/// [`SetStatusError`], which is returned to the operator as the failure of the invocation.
pub async fn set_account_status(
    state: &SetAccountStatus,
    event: Value,
    request_id: String,
) -> Result<StatusSet, SetStatusError> {
    let request: SetStatusRequest = serde_json::from_value(event).map_err(|_| SetStatusError::InvalidEvent)?;
    check_length("reason", &request.reason, MAX_REASON_CHARACTERS).map_err(SetStatusError::InvalidField)?;
    let operator = OperatorCommand { request_id, reason: request.reason };
    let outcome = state.store.set_account_status(&request.payment_account_id, request.status, &operator).await;
    match outcome.map_err(PaymentError::from)? {
        SetStatusOutcome::Set(account) => {
            Ok(StatusSet { payment_account_id: account.id, user_id: account.owner, status: account.status })
        }
        SetStatusOutcome::NotFound => Err(PaymentError::from(FailureReason::AccountNotFound(Party::Payer)).into()),
        SetStatusOutcome::Conflict => Err(PaymentError::Conflict.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::WriteShards;
    use crate::testing::{TestApp, TestUser, account, account_key, deposit, withdrawal};

    struct Scene {
        app: TestApp,
        ada: TestUser,
        state: SetAccountStatus,
    }

    impl Scene {
        /// Ada has a DEBIT account `ada` without shards, and `shop` with eight.
        async fn new() -> Self {
            let app = TestApp::new().await;
            let ada = app.user().await;
            app.open_debit(ada, "ada", 70).await;
            app.open_sharded(ada, "shop").await;
            let state = SetAccountStatus { store: app.store.clone() };
            Self { app, ada, state }
        }

        async fn set(&self, id: &str, status: &str) -> Result<StatusSet, SetStatusError> {
            let event = json!({"paymentAccountId": id, "status": status, "reason": "case 4711"});
            set_account_status(&self.state, event, "request-1".to_owned()).await
        }

        /// The statuses of an account and its shards.
        async fn statuses(&self, id: &str) -> Vec<String> {
            let partition = dynamo::text(format_args!("ACCOUNT#{id}"));
            let items = self.app.items().await;
            let own = items.iter().filter(|item| item["pk"] == partition);
            own.map(|item| item["status"].as_s().unwrap().clone()).collect()
        }

        async fn commands(&self) -> Vec<dynamo::Item> {
            let items = self.app.items().await;
            items.into_iter().filter(|item| item.get("kind") == Some(&dynamo::text("ACCOUNT_STATUS_SET"))).collect()
        }
    }

    #[tokio::test]
    async fn operator_freezes_and_unfreezes_an_account_with_its_shards() {
        let scene = Scene::new().await;
        for (id, items) in [("ada", 1), ("shop", 9)] {
            for status in ["FROZEN", "ACTIVE"] {
                let set = scene.set(id, status).await.unwrap();
                assert_eq!(
                    serde_json::to_value(&set).unwrap(),
                    json!({"paymentAccountId": id, "userId": scene.ada.id, "status": status})
                );
                assert_eq!(scene.statuses(id).await, vec![status; items]);
                let moved = scene.app.move_money(scene.ada, deposit(id), 1).await;
                assert_eq!(moved.is_ok(), status == "ACTIVE", "{moved:?}");
            }
        }
        assert!(scene.app.move_money(scene.ada, withdrawal("ada"), 71).await.is_ok());
    }

    #[tokio::test]
    async fn command_is_recorded_once() {
        let scene = Scene::new().await;
        scene.set("ada", "FROZEN").await.unwrap();
        scene.set("ada", "FROZEN").await.unwrap();
        let commands = scene.commands().await;
        let [recorded] = &commands[..] else { panic!("{commands:?}") };
        let text = |name: &str| recorded[name].as_s().unwrap().as_str();
        assert_eq!(
            (text("paymentAccountId"), text("status"), text("reason"), text("requestId")),
            ("ada", "FROZEN", "case 4711", "request-1")
        );
        // A shard that was left active by hand is frozen too.
        scene.set("shop", "FROZEN").await.unwrap();
        let shard = dynamo::key("ACCOUNT#shop", "INTAKE#3");
        scene.app.set(shard, "status", dynamo::text("ACTIVE")).await;
        scene.set("shop", "FROZEN").await.unwrap();
        assert_eq!(scene.statuses("shop").await, vec!["FROZEN"; 9]);
    }

    #[tokio::test]
    async fn shard_that_is_opened_meanwhile_is_frozen_too() {
        let scene = Scene::new().await;
        let (store, ada) = (scene.app.store.clone(), scene.ada);
        scene.app.engine.before_next("TransactWriteItems", async move {
            let (id, shards) = (account("ada"), WriteShards::new(2).ok());
            crate::app::set_write_shards::set_write_shards(&store, ada.id, &ada.claims, &id, shards).await.unwrap();
        });
        scene.set("ada", "FROZEN").await.unwrap();
        assert_eq!(scene.statuses("ada").await, vec!["FROZEN"; 3]);
        assert_eq!(scene.commands().await.len(), 1);
    }

    #[tokio::test]
    async fn concurrent_commands_leave_account_and_shards_with_one_status() {
        let scene = Scene::new().await;
        let commands = (0..20).map(|command| scene.set("shop", if command % 2 == 0 { "FROZEN" } else { "ACTIVE" }));
        for set in futures_util::future::join_all(commands).await {
            set.unwrap();
        }
        let mut statuses = scene.statuses("shop").await;
        statuses.dedup();
        assert_eq!(statuses.len(), 1, "{statuses:?}");
    }

    #[tokio::test]
    async fn shard_that_another_command_sets_last_is_corrected() {
        let scene = Scene::new().await;
        let (store, operator) =
            (scene.app.store.clone(), OperatorCommand { request_id: "request-2".to_owned(), reason: "x".to_owned() });
        // After this command has frozen the account, and before it freezes the first shard.
        scene.app.engine.before_next("UpdateItem", async move {
            store.set_account_status(&account("shop"), AccountStatus::Active, &operator).await.unwrap();
        });
        scene.set("shop", "FROZEN").await.unwrap();
        assert_eq!(scene.statuses("shop").await, vec!["ACTIVE"; 9]);
    }

    #[tokio::test]
    async fn invalid_command_sets_nothing_and_quotes_nothing() {
        let scene = Scene::new().await;
        for (field, value, expected) in [
            ("paymentAccountId", json!("a b"), "the event must be"),
            ("paymentAccountId", json!("unknown"), "account_not_found"),
            ("status", json!("SLEEPING"), "the event must be"),
            ("status", json!(1), "the event must be"),
            ("reason", json!(" "), "reason: must have"),
            ("reason", json!("x".repeat(201)), "reason: must have"),
            ("note", json!("x"), "the event must be"),
        ] {
            let mut event = json!({"paymentAccountId": "ada", "status": "FROZEN", "reason": "case 4711"});
            event[field] = value.clone();
            let error = set_account_status(&scene.state, event, "request-1".to_owned()).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("SLEEPING"), "{error}");
        }
        assert_eq!(scene.app.item(account_key("ada")).await.unwrap()["status"], dynamo::text("ACTIVE"));
        assert_eq!(scene.commands().await, []);
    }
}
