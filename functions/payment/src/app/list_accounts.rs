//! Listing a user's accounts.

use kernel::UserId;

use super::PaymentError;
use crate::domain::{Account, TokenClaims};
use crate::store::Store;

/// Lists a user's accounts, oldest first. Takes two consecutive round trips: the user, then the accounts.
///
/// # Errors
///
/// [`PaymentError`] if the token is revoked.
pub async fn list_accounts(store: &Store, owner: UserId, claims: &TokenClaims) -> Result<Vec<Account>, PaymentError> {
    let user = store.replica(owner).await?;
    user.admit(claims)?;
    Ok(store.accounts(&user.account_ids).await?)
}
