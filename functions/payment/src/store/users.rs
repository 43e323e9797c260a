//! The replica of users, and with it the fence on their accounts.

use std::future::Future;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use contracts::{User, UserStatus};
use futures_util::future::join_all;
use runtime::dynamodb::Outcome;

use super::item::{Item, Reader, key, number, text, user_key};
use super::{StoreError, Table};

/// Keeps users as the account context tells of them.
pub trait SyncUser {
    /// Makes the replica what the event says, if the event is newer than the replica, and raises the fence on each of
    /// the person's accounts to the replica's epoch. MUST be safe to repeat: a call that ended half way is completed by
    /// the next one, with the same event or an older.
    fn sync_user(&self, user: &User, version: u64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl SyncUser for Table {
    async fn sync_user(&self, user: &User, version: u64) -> Result<(), StoreError> {
        let replica = self.replica_after(user, version).await?;
        let reader = Reader(&replica);
        let epoch: u64 = reader.integer("epoch")?;
        // Every account is tried, whatever becomes of the others: what fails is done by the next delivery.
        let raised = join_all(reader.texts("accountIds").iter().map(|account| self.raise_fence(account, epoch))).await;
        raised.into_iter().collect()
    }
}

impl Table {
    /// Applies the event unless a newer one was, and answers with the replica as it then stands.
    async fn replica_after(&self, user: &User, version: u64) -> Result<Item, StoreError> {
        let status = match user.status {
            UserStatus::Active => "ACTIVE",
            UserStatus::Suspended => "SUSPENDED",
        };
        let outcome = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(user_key(user.id)))
            .update_expression("SET id = :id, email = :email, #status = :status, epoch = :epoch, version = :version")
            .condition_expression("attribute_not_exists(pk) OR version < :version")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":id", text(user.id))
            .expression_attribute_values(":email", text(&user.email))
            .expression_attribute_values(":status", text(status))
            .expression_attribute_values(":epoch", number(user.epoch))
            .expression_attribute_values(":version", number(version))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let replica = match outcome {
            Ok(updated) => updated.attributes,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => failure.item().cloned(),
                _ => return Err(error.into()),
            },
        };
        replica.ok_or_else(|| StoreError::broken("the replica was not returned"))
    }

    /// Raises the fence on an account, unless it stands as high. In a transaction of its own, which waits for its turn: an
    /// account that is kept busy must not keep the fence away.
    async fn raise_fence(&self, account: &str, epoch: u64) -> Result<(), StoreError> {
        let raise = self.update(key(format!("ACCOUNT#{account}"), "ACCOUNT"), |update| {
            update
                .update_expression("SET ownerEpoch = :epoch")
                .condition_expression("attribute_exists(pk) AND ownerEpoch < :epoch")
                .expression_attribute_values(":epoch", number(epoch))
        })?;
        match self.transact(vec![raise], None).await? {
            Outcome::Committed | Outcome::Refused(_) => Ok(()),
            Outcome::Contended => Err(StoreError::Unavailable("other transactions held the account".to_owned())),
        }
    }
}
