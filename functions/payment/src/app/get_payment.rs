//! Reading a payment.

use kernel::UserId;

use super::PaymentError;
use crate::domain::{Payment, PaymentReference, TokenClaims};
use crate::store::Store;

/// Returns a payment of the user.
///
/// # Errors
///
/// [`PaymentError`] if the user has no such payment, or the token is revoked.
pub async fn get_payment(
    store: &Store,
    reference: PaymentReference,
    owner: UserId,
    claims: &TokenClaims,
) -> Result<Payment, PaymentError> {
    let (payment, user) = store.payment_and_user(reference, owner).await?;
    user.admit(claims)?;
    payment.ok_or(PaymentError::PaymentNotFound)
}
