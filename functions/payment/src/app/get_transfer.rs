//! Reading a transfer.

use kernel::UserId;

use super::PaymentError;
use crate::domain::{Transfer, TransferId};
use crate::store::Store;

/// Returns a transfer that the user can see.
///
/// # Errors
///
/// [`PaymentError::TransferNotFound`] if the transfer does not exist or is not visible to the user.
pub async fn get_transfer(store: &Store, id: TransferId, user: UserId) -> Result<Transfer, PaymentError> {
    let found = store.transfer_and_account_ids(id, user).await?;
    let visible = found
        .filter(|(transfer, own)| transfer.is_visible_to(user, |account| own.iter().any(|id| id == account.as_str())));
    visible.map(|(transfer, _)| transfer).ok_or(PaymentError::TransferNotFound)
}

#[cfg(test)]
mod tests;
