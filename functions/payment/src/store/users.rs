//! The replica of users.

pub(super) mod record;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use dynamo::{WriteOutcome, from_item, number, text};
use kernel::UserId;
use record::{UserRecord, user_key};

use super::{Store, StoreError};
use crate::domain::{Replica, User};

impl Store {
    /// Returns a user's replica, or that of an active user without accounts if the user is not replicated yet.
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
        let update = |update: UpdateItemFluentBuilder| {
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
        };
        let replica: UserRecord = match self.table.update_item(user_key(user.id), update).await? {
            WriteOutcome::Written(item) | WriteOutcome::ConditionFailed(Some(item)) => from_item(item)?,
            WriteOutcome::ConditionFailed(None) => return Err(StoreError::internal("the replica was not returned")),
        };
        self.update_accounts(&replica.account_ids, |update| {
            update
                .update_expression("SET ownerEpoch = :epoch")
                .condition_expression("attribute_exists(pk) AND ownerEpoch < :epoch")
                .expression_attribute_values(":epoch", number(replica.epoch))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
