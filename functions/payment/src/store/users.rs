//! The replica of users, and with it the fence on their accounts.

use std::future::Future;

use contracts::{User, UserStatus};
use futures_util::future::join_all;

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
        let change = self.update(user_key(user.id), |update| {
            update
                .update_expression(
                    "SET id = :id, email = :email, #status = :status, epoch = :epoch, version = :version",
                )
                // The item may be there before the person is: the end of a session makes it too.
                .condition_expression("attribute_not_exists(version) OR version < :version")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":id", text(user.id))
                .expression_attribute_values(":email", text(&user.email))
                .expression_attribute_values(":status", text(status))
                .expression_attribute_values(":epoch", number(user.epoch))
                .expression_attribute_values(":version", number(version))
        })?;
        self.change_in_turn(change).await?;
        self.user(user.id).await?.ok_or_else(|| StoreError::internal("the replica is gone"))
    }

    /// Raises the fence on an account, unless it stands as high.
    async fn raise_fence(&self, account: &str, epoch: u64) -> Result<(), StoreError> {
        let raise = self.update(key(format!("ACCOUNT#{account}"), "ACCOUNT"), |update| {
            update
                .update_expression("SET ownerEpoch = :epoch")
                .condition_expression("attribute_exists(pk) AND ownerEpoch < :epoch")
                .expression_attribute_values(":epoch", number(epoch))
        })?;
        self.change_in_turn(raise).await
    }
}
