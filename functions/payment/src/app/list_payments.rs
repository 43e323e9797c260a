//! Listing a user's payments.

use kernel::UserId;

use super::PaymentError;
use crate::domain::{Payment, PaymentStatus, TokenClaims};
use crate::store::Store;
use crate::store::transfers::{Page, PageRange};

/// Lists the payments of a user, newest first, of one status or of all.
///
/// # Errors
///
/// [`PaymentError`] if the token is revoked.
pub async fn list_payments(
    store: &Store,
    owner: UserId,
    claims: &TokenClaims,
    status: Option<PaymentStatus>,
    range: &PageRange,
) -> Result<Page<Payment>, PaymentError> {
    let (user, page) = tokio::join!(store.replica(owner), store.list_payments(owner, status, range));
    user?.admit(claims)?;
    Ok(page?)
}
