//! Reading a transfer.

use kernel::UserId;

use super::PaymentError;
use crate::domain::{PaymentAccountId, TokenClaims, Transfer, TransferId};
use crate::store::Store;

/// Returns a transfer that the user can see.
///
/// # Errors
///
/// [`PaymentError`] if the transfer does not exist or is not visible to the user, or the token is revoked.
pub async fn get_transfer(
    store: &Store,
    id: TransferId,
    reader: UserId,
    claims: &TokenClaims,
) -> Result<Transfer, PaymentError> {
    let (transfer, user) = store.transfer_and_user(id, reader).await?;
    user.admit(claims)?;
    let owns = |account: &PaymentAccountId| user.account_ids.iter().any(|id| id == account.as_str());
    transfer.filter(|transfer| transfer.is_visible_to(reader, owns)).ok_or(PaymentError::TransferNotFound)
}

#[cfg(test)]
mod tests;
