//! The status of an account, which each of its write shards has too.

use dynamo::{Item, Transaction, TransactionOutcome, text};
use serde::Serialize;

use super::accounts::record::{AccountRecord, account_key};
use super::commands::{OperatorCommand, command_item};
use super::{Store, StoreError, key_of};
use crate::domain::{Account, AccountState, AccountStatus, PaymentAccountId};

/// The result of setting a status. Unless it is set, nothing was written.
#[derive(Debug)]
pub enum SetStatusOutcome {
    /// The account, without the balance of its shards.
    Set(Account),
    NotFound,
    /// Other transactions kept using the account.
    Conflict,
}

impl Store {
    /// Sets the status of an account on an operator's request, records the command in the same transaction, and then sets
    /// the status of the shards. What has the status already is not written.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn set_account_status(
        &self,
        id: &PaymentAccountId,
        status: AccountStatus,
        operator: &OperatorCommand,
    ) -> Result<SetStatusOutcome, StoreError> {
        let Some(own) = self.table.get(account_key(id)).await? else { return Ok(SetStatusOutcome::NotFound) };
        let AccountState { account, .. } = AccountRecord::state(&own)?;
        if account.status != status {
            let build = |at| {
                let command = self.table.put_new(command_item(
                    "ACCOUNT_STATUS_SET",
                    &account,
                    operator,
                    at,
                    StatusSet { status },
                )?)?;
                let update = self.table.update(account_key(id), |update| {
                    update
                        .update_expression("SET #status = :status")
                        .condition_expression("attribute_exists(pk)")
                        .expression_attribute_names("#status", "status")
                        .expression_attribute_values(":status", text(status))
                })?;
                Ok(Transaction::new().with((), command).with((), update))
            };
            match self.table.commit_with_time(build).await?.0 {
                TransactionOutcome::Committed => {}
                TransactionOutcome::ConditionFailed(_) => return Ok(SetStatusOutcome::NotFound),
                TransactionOutcome::Conflict => return Ok(SetStatusOutcome::Conflict),
            }
        }
        self.set_statuses(&self.account_items(id).await?, status).await?;
        Ok(SetStatusOutcome::Set(Account { status, ..account }))
    }

    /// Freezes an account and its shards, also if the account can't be read. Returns whether it was active.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn freeze_account(&self, id: &str) -> Result<bool, StoreError> {
        // A frozen account gets no further shards, so those that are read after it was frozen are all.
        let own: Vec<Item> = self.table.get(account_key(id)).await?.into_iter().collect();
        let was_active = self.set_statuses(&own, AccountStatus::Frozen).await?;
        let items = self.account_items(id).await?;
        Ok(self.set_statuses(&items, AccountStatus::Frozen).await? || was_active)
    }

    /// Sets the status of items that have another. Returns whether there were any. One by one, because the items of a busy
    /// account are seldom all free for a transaction.
    async fn set_statuses(&self, items: &[Item], status: AccountStatus) -> Result<bool, StoreError> {
        let others: Vec<_> = items.iter().filter(|item| item.get("status") != Some(&text(status))).collect();
        for item in &others {
            let set = self.table.update_item(key_of(item), |update| {
                update
                    .update_expression("SET #status = :status")
                    .condition_expression("attribute_exists(pk)")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":status", text(status))
            });
            set.await?;
        }
        Ok(!others.is_empty())
    }
}

pub(super) fn is_account(item: &Item) -> bool {
    item.get("sk") == Some(&text("ACCOUNT"))
}

/// The status that an operator's command has set.
#[derive(Serialize)]
struct StatusSet {
    status: AccountStatus,
}
