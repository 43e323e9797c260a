//! Setting the number of write shards of an account.

use kernel::UserId;

use super::PaymentError;
use crate::domain::{
    Account, AccountStatus, AccountType, FailureReason, Party, PaymentAccountId, TokenClaims, TokenRevoked, WriteShards,
};
use crate::store::Store;
use crate::store::commands::OperatorCommand;
use crate::store::shards::ShardedAccount;
use crate::store::shards::setting::{SetBy, SetShardsOutcome, SetWriteShards};

/// The maximum number of attempts while other commands change the shards or the headroom.
const MAX_ATTEMPTS: usize = 4;

/// Sets the number of write shards on the owner's request. Returns the account as it is then, with the balances that were
/// read before. If the account has this number, nothing is written.
///
/// # Errors
///
/// [`PaymentError`] if the number was not set.
pub async fn set_write_shards(
    store: &Store,
    owner: UserId,
    claims: &TokenClaims,
    account: &PaymentAccountId,
    shards: Option<WriteShards>,
) -> Result<Account, PaymentError> {
    set(store, account, shards, SetBy::Owner(owner, claims)).await
}

/// Sets the number of write shards on an operator's request, and records the command in the same transaction. If the account
/// has this number, nothing is written.
///
/// # Errors
///
/// [`PaymentError`] if the number was not set.
pub async fn set_write_shards_by_operator(
    store: &Store,
    account: &PaymentAccountId,
    shards: Option<WriteShards>,
    operator: &OperatorCommand,
) -> Result<Account, PaymentError> {
    set(store, account, shards, SetBy::Operator(operator)).await
}

async fn set(
    store: &Store,
    id: &PaymentAccountId,
    shards: Option<WriteShards>,
    by: SetBy<'_>,
) -> Result<Account, PaymentError> {
    for _ in 0..MAX_ATTEMPTS {
        let found = store.account_with_shards(id).await?;
        let found = found.ok_or(FailureReason::AccountNotFound(Party::Payer))?;
        check(&found, by)?;
        let command = SetWriteShards { account: &found.account, shards, by };
        let is_set = found.account.opened_shards.is_some() && found.account.write_shards == shards;
        let outcome = if is_set { SetShardsOutcome::Set } else { store.set_write_shards(command).await? };
        match outcome {
            SetShardsOutcome::Set => return Ok(Account { write_shards: shards, ..found.with_shard_balances()? }),
            SetShardsOutcome::Rejected => {}
            SetShardsOutcome::Conflict => return Err(PaymentError::Conflict),
        }
    }
    Err(PaymentError::Conflict)
}

fn check(ShardedAccount { account, revocation, .. }: &ShardedAccount, by: SetBy<'_>) -> Result<(), PaymentError> {
    if let SetBy::Owner(owner, claims) = by {
        if account.owner != owner {
            return Err(FailureReason::AccountNotFound(Party::Payer).into());
        }
        if revocation.is_revoked(claims) {
            return Err(TokenRevoked.into());
        }
    }
    if account.kind != AccountType::Debit {
        return Err(PaymentError::WrongAccountType { allowed: &[AccountType::Debit] });
    }
    if account.status != AccountStatus::Active {
        return Err(FailureReason::AccountFrozen(Party::Payer).into());
    }
    Ok(())
}
