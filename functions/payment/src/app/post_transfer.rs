//! Posting a transfer.

use kernel::{Amount, Currency};

use super::{OperationContext, PaymentError};
use crate::domain::{Account, FailureReason, Idempotent, Note, Posting, Rejection, Stored, Transfer, TransferStatus};
use crate::store::shards::{ShardDrain, ShardedAccount};
use crate::store::transfers::{PostOutcome, PostTransfer};
use crate::store::{Store, StoreError};

/// The maximum number of attempts while other transfers drain the payer's write shards.
const MAX_ATTEMPTS: usize = 4;

/// The parameters of a transfer.
#[derive(Debug, Clone)]
pub struct TransferParams {
    pub posting: Posting,
    pub amount: Amount,
    pub currency: Currency,
    pub note: Option<Note>,
}

/// The money that a debit takes.
enum FundingSource {
    /// The account's own balance, into which another transfer has drained the shards in the meantime.
    OwnBalance,
    /// The account's own balance and that of its write shards.
    Shards(ShardDrain),
    Insufficient,
}

/// Posts a transfer, at most once per request. The failure of a request with an idempotency key is recorded, and replayed
/// when the request is repeated.
///
/// # Errors
///
/// [`PaymentError`] if no money has moved.
pub async fn post_transfer(
    store: &Store,
    context: OperationContext,
    params: TransferParams,
) -> Result<Idempotent<Transfer>, PaymentError> {
    let OperationContext { user, claims, request } = context;
    let transfer = Transfer {
        id: request.id.into(),
        posting: params.posting,
        status: TransferStatus::Completed,
        amount: params.amount,
        currency: params.currency,
        note: params.note,
        initiated_by: user,
        created_at: store.now(),
    };
    execute(store, PostTransfer { transfer, request, claims }).await
}

pub(crate) async fn execute(store: &Store, command: PostTransfer) -> Result<Idempotent<Transfer>, PaymentError> {
    let mut drain = None;
    for _ in 0..MAX_ATTEMPTS {
        let (party, account) = match store.post_transfer(&command, drain.as_ref()).await? {
            PostOutcome::Committed(created_at) => {
                return Ok(Idempotent::executed(Transfer { created_at, ..command.transfer }));
            }
            PostOutcome::Exists(stored) => return replay(&command, stored),
            PostOutcome::Conflict => return Err(PaymentError::Conflict),
            PostOutcome::Rejected(party, account) => (party, account),
        };
        let rejection = Rejection::of_transfer(&command.transfer, party, account.as_ref(), &command.claims);
        let reason = match (rejection, account) {
            (Rejection::Failed(FailureReason::InsufficientFunds), Some(payer)) => {
                match funding_source(store, &payer.account, command.transfer.amount).await? {
                    FundingSource::OwnBalance => {
                        drain = None;
                        continue;
                    }
                    FundingSource::Shards(undrained) => {
                        drain = Some(undrained);
                        continue;
                    }
                    FundingSource::Insufficient => FailureReason::InsufficientFunds,
                }
            }
            (Rejection::Failed(reason), _) => reason,
            (rejection, _) => return Err(rejection.into()),
        };
        return fail(store, command, reason).await;
    }
    Err(PaymentError::Conflict)
}

/// Finds the source of an amount that exceeded the payer's own balance.
async fn funding_source(store: &Store, payer: &Account, amount: Amount) -> Result<FundingSource, StoreError> {
    if payer.available >= amount.minor() {
        return Ok(FundingSource::OwnBalance);
    }
    let Some(ShardedAccount { account, undrained, .. }) = store.sharded_account(payer).await? else {
        return Ok(FundingSource::Insufficient);
    };
    let total = account.available.saturating_add(undrained.amount);
    Ok(if total >= amount.minor() { FundingSource::Shards(undrained) } else { FundingSource::Insufficient })
}

/// Fails the transfer. If the request has an idempotency key and was decided in the meantime, that decision is returned.
async fn fail(
    store: &Store,
    command: PostTransfer,
    reason: FailureReason,
) -> Result<Idempotent<Transfer>, PaymentError> {
    let Some(fingerprint) = &command.request.fingerprint else { return Err(reason.into()) };
    match store.record_failure(command.transfer.clone(), reason, fingerprint).await? {
        None => Err(reason.into()),
        Some(stored) => replay(&command, stored),
    }
}

fn replay(command: &PostTransfer, stored: Stored<Transfer>) -> Result<Idempotent<Transfer>, PaymentError> {
    let replayed = command.request.replay(stored)?;
    match replayed.value.status {
        TransferStatus::Completed => Ok(replayed),
        TransferStatus::Failed(reason) => Err(PaymentError::Rejected { reason, replayed: true }),
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
