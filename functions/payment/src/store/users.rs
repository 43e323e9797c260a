//! The replica of users.

pub(super) mod record;

use dynamo::{from_item, number, text};
use futures_util::future::join_all;
use kernel::UserId;
use record::{UserRecord, user_key};

use super::accounts::record::account_key;
use super::{Store, StoreError};
use crate::domain::{Replica, User};

impl Store {
    /// The replica of a user; that of an active user without accounts if there is none yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn replica(&self, id: UserId) -> Result<Replica, StoreError> {
        Ok(self.user(id).await?.unwrap_or_default().replica())
    }

    pub(super) async fn user(&self, id: UserId) -> Result<Option<UserRecord>, StoreError> {
        self.table.get(user_key(id)).await?.map(from_item).transpose()
    }

    /// Updates the replica, unless a newer version is stored, and raises the epoch on each of the user's accounts. Safe to
    /// repeat: a later call, with this version or an older one, completes a call that failed half-way.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the replica or an account was not updated.
    pub async fn replicate_user(&self, user: &User, version: u64) -> Result<(), StoreError> {
        let update = self.table.update(user_key(user.id), |update| {
            update
                .update_expression(
                    "SET id = :id, email = :email, #status = :status, epoch = :epoch, version = :version",
                )
                .condition_expression("attribute_not_exists(version) OR version < :version")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":id", text(user.id))
                .expression_attribute_values(":email", text(&user.email))
                .expression_attribute_values(":status", text(user.status))
                .expression_attribute_values(":epoch", number(user.epoch))
                .expression_attribute_values(":version", number(version))
        })?;
        self.update_if(update).await?;
        let replica = self.user(user.id).await?.ok_or_else(|| StoreError::internal("the replica was not found"))?;
        // Every account is attempted; the next delivery of the event repeats those that failed.
        let raised = replica.account_ids.iter().map(|account| self.raise_epoch(account, replica.epoch));
        join_all(raised).await.into_iter().collect()
    }

    async fn raise_epoch(&self, account: &str, epoch: u64) -> Result<(), StoreError> {
        let update = self.table.update(account_key(account), |update| {
            update
                .update_expression("SET ownerEpoch = :epoch")
                .condition_expression("attribute_exists(pk) AND ownerEpoch < :epoch")
                .expression_attribute_values(":epoch", number(epoch))
        })?;
        self.update_if(update).await
    }
}

#[cfg(test)]
mod tests;
