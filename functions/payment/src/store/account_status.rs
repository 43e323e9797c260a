//! The status of an account, which each of its write shards has too.

use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{Item, Transaction, TransactionOutcome, text};
use serde::Serialize;

use super::accounts::record::{AccountRecord, account_key};
use super::commands::{OperatorCommand, command_item};
use super::{Store, StoreError, key_of};
use crate::domain::{Account, AccountState, AccountStatus, PaymentAccountId};

/// The maximum number of attempts while other commands change the account.
const MAX_ATTEMPTS: usize = 8;

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
    /// the status of the shards. An account that has the status is not written.
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
        for _ in 0..MAX_ATTEMPTS {
            let Some(own) = self.table.get(account_key(id)).await? else { return Ok(SetStatusOutcome::NotFound) };
            let AccountState { account, .. } = AccountRecord::state(&own)?;
            let outcome = if account.status == status {
                TransactionOutcome::Committed
            } else {
                let build = |at| {
                    let record = StatusSet { status };
                    let command = command_item("ACCOUNT_STATUS_SET", &account, operator, at, record)?;
                    let update = self.table.update(account_key(id), |update| {
                        update
                            .update_expression("SET #status = :status")
                            .condition_expression("#status = :before")
                            .expression_attribute_names("#status", "status")
                            .expression_attribute_values(":status", text(status))
                            .expression_attribute_values(":before", text(account.status))
                    })?;
                    Ok(Transaction::new().with((), self.table.put_new(command)?).with((), update))
                };
                self.table.commit_with_time(build).await?.0
            };
            match outcome {
                TransactionOutcome::Committed => {
                    self.align_shards(id, status).await?;
                    return Ok(SetStatusOutcome::Set(Account { status, ..account }));
                }
                // Another command has set the status, or has been recorded in the same millisecond.
                TransactionOutcome::ConditionFailed(_) => {}
                TransactionOutcome::Conflict => break,
            }
        }
        Ok(SetStatusOutcome::Conflict)
    }

    /// Freezes an account and its shards, also if the account can't be read. Returns whether it was active.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn freeze_account(&self, id: &str) -> Result<bool, StoreError> {
        let own = self.table.get(account_key(id)).await?;
        let is_frozen = |own: &Item| own.get("status") == Some(&text(AccountStatus::Frozen));
        let is_active = own.is_some_and(|own| !is_frozen(&own));
        if is_active {
            self.put_status(account_key(id), &text(AccountStatus::Frozen)).await?;
        }
        self.align_shards(id, AccountStatus::Frozen).await?;
        Ok(is_active)
    }

    /// Gives the shards of an account its status, or this one if the account does not exist. A frozen account gets no further
    /// shards. If commands are executed concurrently, the last one sees the shards that another has set after it.
    async fn align_shards(&self, id: impl Display, status: AccountStatus) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let items = self.account_items(&id).await?;
            let own = items.iter().find(|item| is_account(item));
            let status = own.and_then(|own| own.get("status")).cloned().unwrap_or_else(|| text(status));
            let others: Vec<_> = items.iter().filter(|item| item.get("status") != Some(&status)).collect();
            if others.is_empty() {
                return Ok(());
            }
            // One by one, because the items of a busy account are seldom all free for a transaction.
            for item in others {
                self.put_status(key_of(item), &status).await?;
            }
        }
        Err(StoreError::Unavailable("the status of the account keeps changing".to_owned()))
    }

    async fn put_status(&self, key: Item, status: &AttributeValue) -> Result<(), StoreError> {
        let set = self.table.update_item(key, |update| {
            update
                .update_expression("SET #status = :status")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", status.clone())
        });
        set.await.map(drop)
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
