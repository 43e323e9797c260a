//! Setting the number of write shards of an account.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{SystemClock, SystemRandom, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MAX_REASON_CHARACTERS, check_length};
use crate::app::PaymentError;
use crate::app::set_write_shards::set_write_shards_by_operator;
use crate::domain::{PaymentAccountId, WriteShards};
use crate::store::Store;
use crate::store::commands::OperatorCommand;

/// The state of the function.
pub struct SetShards {
    pub store: Store,
}

/// The event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetShardsRequest {
    payment_account_id: PaymentAccountId,
    /// 0 for none.
    #[serde(rename = "intakeShards")]
    write_shards: i64,
    /// The operator's reason, which is recorded.
    reason: String,
}

/// The account with its number of shards.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardsSet {
    payment_account_id: PaymentAccountId,
    user_id: UserId,
    #[serde(rename = "intakeShards")]
    write_shards: u8,
}

/// The number was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetShardsError {
    /// The event is malformed. The message omits the cause: the message is logged, and the cause may quote the event.
    #[error("the event must be an object with paymentAccountId, intakeShards (0 to 16) and reason")]
    InvalidEvent,
    #[error("{0}")]
    InvalidField(String),
    #[error(transparent)]
    Payment(#[from] PaymentError),
}

impl SetShards {
    /// # Errors
    ///
    /// [`ConfigError`] if an environment variable is missing or invalid.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self { store: Store::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom) })
    }
}

/// Sets the number of write shards of a DEBIT account, and records the command.
///
/// # Errors
///
/// [`SetShardsError`], which is returned to the operator as the failure of the invocation.
pub async fn set_write_shards(
    state: &SetShards,
    event: Value,
    request_id: String,
) -> Result<ShardsSet, SetShardsError> {
    let request: SetShardsRequest = serde_json::from_value(event).map_err(|_| SetShardsError::InvalidEvent)?;
    check_length("reason", &request.reason, MAX_REASON_CHARACTERS).map_err(SetShardsError::InvalidField)?;
    let shards = WriteShards::or_none(request.write_shards);
    let shards = shards.map_err(|error| SetShardsError::InvalidField(format!("intakeShards: {error}")))?;
    let operator = OperatorCommand { request_id, reason: request.reason };
    let account = set_write_shards_by_operator(&state.store, &request.payment_account_id, shards, &operator).await?;
    let write_shards = account.write_shards.map_or(0, WriteShards::count);
    Ok(ShardsSet { payment_account_id: account.id, user_id: account.owner, write_shards })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, TestUser, account_key};

    struct Scene {
        app: TestApp,
        ada: TestUser,
        state: SetShards,
    }

    impl Scene {
        /// Ada has a DEBIT account `shop`.
        async fn new() -> Self {
            let app = TestApp::new().await;
            let ada = app.user().await;
            app.open_debit(ada, "shop", 70).await;
            let state = SetShards { store: app.store.clone() };
            Self { app, ada, state }
        }

        async fn set(&self, event: Value) -> Result<ShardsSet, SetShardsError> {
            set_write_shards(&self.state, event, "request-1".to_owned()).await
        }

        async fn commands(&self) -> Vec<dynamo::Item> {
            let items = self.app.items().await;
            items.into_iter().filter(|item| item.get("kind") == Some(&dynamo::text("WRITE_SHARDS_SET"))).collect()
        }
    }

    fn command(shards: i64) -> Value {
        json!({"paymentAccountId": "shop", "intakeShards": shards, "reason": "case 4711"})
    }

    #[tokio::test]
    async fn operator_sets_shards_and_is_recorded() {
        let scene = Scene::new().await;
        // The owner's tokens are irrelevant to the command.
        scene.app.end(scene.ada).await;
        let set = scene.set(command(8)).await.unwrap();
        assert_eq!(
            serde_json::to_value(&set).unwrap(),
            json!({"paymentAccountId": "shop", "userId": scene.ada.id, "intakeShards": 8})
        );
        assert_eq!(scene.app.item(account_key("shop")).await.unwrap()["intakeShards"], dynamo::number(8));
        assert_eq!(scene.set(command(8)).await.unwrap(), set);
        let commands = scene.commands().await;
        let [recorded] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(
            (&recorded["reason"], &recorded["requestId"]),
            (&dynamo::text("case 4711"), &dynamo::text("request-1"))
        );
        assert_eq!(
            (&recorded["paymentAccountId"], &recorded["intakeShards"]),
            (&dynamo::text("shop"), &dynamo::number(8))
        );
        assert_eq!(scene.set(command(0)).await.unwrap().write_shards, 0);
        assert_eq!(scene.commands().await.len(), 2);
    }

    #[tokio::test]
    async fn invalid_command_sets_nothing_and_quotes_nothing() {
        let scene = Scene::new().await;
        for (field, value, expected) in [
            ("intakeShards", json!(17), "intakeShards: "),
            ("intakeShards", json!(-1), "intakeShards: "),
            ("intakeShards", json!("ada@example.com"), "the event must be"),
            ("paymentAccountId", json!("ada@example.com"), "the event must be"),
            ("paymentAccountId", json!("unknown"), "rejected: "),
            ("reason", json!(" "), "reason: "),
            ("reason", json!("x".repeat(201)), "reason: "),
            ("ada@example.com", json!(1), "the event must be"),
        ] {
            let mut event = command(8);
            event[field] = value;
            let error = scene.set(event).await.unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) && !text.contains("example"), "{field}: {text}");
        }
        assert!(scene.commands().await.is_empty());
        assert_eq!(scene.app.item(account_key("shop")).await.unwrap().get("intakeShards"), None);
    }
}
