//! Setting the number of write shards of an existing account.
//!
//! Shards are opened when an account first has so many, and never deleted. Their headroom is taken from the account's in the
//! same write, so that the sum of the balance, the headroom and that of every shard remains the maximum balance. A lower
//! number only means that fewer shards receive credits. `drawn` has an entry for each shard that was opened. An account
//! whose number was never set has no `drawn`.

use aws_sdk_dynamodb::types::TransactWriteItem;
use dynamo::{Transaction, TransactionOutcome, number, text};
use kernel::UserId;
use serde::Serialize;

use super::numbers;
use crate::domain::{Account, AccountStatus, AccountType, TokenClaims, WriteShards};
use crate::store::accounts::record::account_key;
use crate::store::commands::{OperatorCommand, command_item};
use crate::store::revocations::{NOT_REVOKED, with_revocation_check};
use crate::store::{Store, StoreError};

/// The command to set the number of shards that receive credits.
#[derive(Debug, Clone, Copy)]
pub struct SetWriteShards<'a> {
    /// The account as it was read.
    pub account: &'a Account,
    /// `None` for no shards.
    pub shards: Option<WriteShards>,
    pub by: SetBy<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum SetBy<'a> {
    /// The owner of the account, by their token, which must not be revoked.
    Owner(UserId, &'a TokenClaims),
    /// An operator, whose command is recorded.
    Operator(&'a OperatorCommand),
}

/// The result of [`SetWriteShards`]. Unless the number is set, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetShardsOutcome {
    Set,
    /// The account does not admit the command, or no longer has the headroom or the shards that it was read with.
    Rejected,
    /// Other transactions kept using the account.
    Conflict,
}

impl Store {
    /// Sets the number of write shards of an active DEBIT account that receive credits, and opens those that are missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn set_write_shards(&self, command: SetWriteShards<'_>) -> Result<SetShardsOutcome, StoreError> {
        let SetWriteShards { account, shards, by } = command;
        let build = |at| {
            let mut transaction = Transaction::new().with((), self.set_shards_of(command)?);
            let new = account.new_shards(shards);
            for shard in self.put_shards(&account.id, account.currency, account.status, &new)? {
                transaction.add((), shard);
            }
            if let SetBy::Operator(operator) = by {
                let set = ShardsSet { write_shards: shards.map_or(0, WriteShards::count) };
                let item = command_item("WRITE_SHARDS_SET", account, operator, at, set)?;
                transaction.add((), self.table.put_new(item)?);
            }
            Ok(transaction)
        };
        let (outcome, _) = self.table.commit_with_time(build).await?;
        Ok(match outcome {
            TransactionOutcome::Committed => SetShardsOutcome::Set,
            TransactionOutcome::ConditionFailed(_) => SetShardsOutcome::Rejected,
            TransactionOutcome::Conflict => SetShardsOutcome::Conflict,
        })
    }

    fn set_shards_of(
        &self,
        SetWriteShards { account, shards, by }: SetWriteShards<'_>,
    ) -> Result<TransactWriteItem, StoreError> {
        let new = account.new_shards(shards);
        // Another command that opened a shard of the same number fails the put of that shard.
        let mut set = vec!["headroom = headroom - :reserved", "drawn = list_append(if_not_exists(drawn, :none), :new)"];
        let mut conditions = vec!["#type = :debit AND #status = :active AND headroom >= :reserved"];
        self.table.update(account_key(&account.id), |mut update| {
            if let SetBy::Owner(user, claims) = by {
                update = with_revocation_check(update, user, claims);
                conditions.push(NOT_REVOKED);
            }
            let remove = match shards {
                Some(shards) => {
                    set.push("intakeShards = :shards");
                    update = update.expression_attribute_values(":shards", number(shards.count()));
                    ""
                }
                None => " REMOVE intakeShards",
            };
            update
                .update_expression(format!("SET {}{remove}", set.join(", ")))
                .condition_expression(conditions.join(" AND "))
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":debit", text(AccountType::Debit))
                .expression_attribute_values(":active", text(AccountStatus::Active))
                .expression_attribute_values(":reserved", number(new.total_headroom()))
                .expression_attribute_values(":none", numbers(&[]))
                .expression_attribute_values(":new", numbers(&vec![0; usize::from(new.count())]))
        })
    }
}

/// The number of shards that an operator's command has set.
#[derive(Serialize)]
struct ShardsSet {
    #[serde(rename = "intakeShards")]
    write_shards: u8,
}

#[cfg(test)]
mod tests;
