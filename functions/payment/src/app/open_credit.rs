//! Opening a CREDIT or LOAN account on an operator's request.

use kernel::{SessionId, UserId};

use super::config::Limits;
use super::open_account::{NewAccountParams, open_account};
use super::{OperationContext, PaymentError};
use crate::domain::{Account, Idempotent, IdempotentRequest, TokenClaims};
use crate::store::Store;
use crate::store::commands::OperatorCommand;

/// Opens the account for a user, at most once per request, and records the command in the same transaction.
///
/// # Errors
///
/// [`PaymentError`] if no account was opened.
pub async fn open_credit(
    store: &Store,
    user: UserId,
    request: IdempotentRequest,
    params: NewAccountParams,
    limits: &Limits,
    operator: OperatorCommand,
) -> Result<Idempotent<Account>, PaymentError> {
    params.check(limits)?;
    let owner = store.replica(user).await?;
    // The command has the rights of a new session of the user.
    let claims = TokenClaims {
        epoch: owner.epoch,
        session: SessionId::random(store.random()),
        // No end of a session in the meantime revokes it.
        issued_at: i64::MAX,
    };
    open_account(store, OperationContext { user, claims, request }, params, limits, Some(operator)).await
}
