//! Changing the status of a payment on its owner's request.

use kernel::UserId;

use super::PaymentError;
use super::config::SelfDeposit;
use crate::domain::{InvalidTransition, Payment, PaymentReference, PaymentStatus, Rejection, TokenClaims, Transition};
use crate::store::Store;
use crate::store::payments::{TransitionOutcome, UnreadTransitionOutcome};

/// The maximum number of attempts while others change the payment.
const MAX_ATTEMPTS: usize = 3;

/// A transition that the payment's owner requests.
#[derive(Debug, Clone)]
pub struct OwnerTransition {
    pub reference: PaymentReference,
    pub owner: UserId,
    pub transition: Transition,
    pub claims: TokenClaims,
    /// Whether a success can credit an account. An owner who reports their own success makes a self-service deposit.
    pub self_deposit: SelfDeposit,
}

/// Applies the transition, and returns the payment after it.
///
/// # Errors
///
/// [`PaymentError`] if the payment is unchanged.
pub async fn transition_payment(store: &Store, command: &OwnerTransition) -> Result<Payment, PaymentError> {
    let OwnerTransition { reference, owner, transition, claims, self_deposit } = command;
    let Transition { to, .. } = transition;
    if *to != PaymentStatus::Success {
        return transition_unread(store, command).await;
    }
    for _ in 0..MAX_ATTEMPTS {
        let payment = store.payment(*reference, *owner).await?.ok_or(PaymentError::PaymentNotFound)?;
        if to.predecessor() != Some(payment.status) {
            return Err(InvalidTransition { from: payment.status, to: *to }.into());
        }
        if payment.payment_account_id.is_some() {
            self_deposit.check()?;
        }
        match store.transition(&payment, transition, claims).await? {
            TransitionOutcome::Committed => return Ok(payment.after(transition)),
            TransitionOutcome::Stale => {}
            TransitionOutcome::AccountRejected(account) => {
                return Err(Rejection::of_collection(account.as_ref(), Some(claims)).into());
            }
            TransitionOutcome::Conflict => return Err(PaymentError::Conflict),
        }
    }
    Err(PaymentError::Conflict)
}

/// Applies a transition that credits no account without reading the payment: the required status follows from the new one.
async fn transition_unread(store: &Store, command: &OwnerTransition) -> Result<Payment, PaymentError> {
    let OwnerTransition { reference, owner, transition, .. } = command;
    let invalid = |from| PaymentError::from(InvalidTransition { from, to: transition.to });
    let Some(from) = transition.to.predecessor() else {
        let payment = store.payment(*reference, *owner).await?.ok_or(PaymentError::PaymentNotFound)?;
        return Err(invalid(payment.status));
    };
    match store.transition_unread(*reference, *owner, from, transition).await? {
        UnreadTransitionOutcome::Committed(payment) => Ok(*payment),
        UnreadTransitionOutcome::WrongStatus(status) => Err(invalid(status)),
        UnreadTransitionOutcome::NotFound => Err(PaymentError::PaymentNotFound),
        UnreadTransitionOutcome::Conflict => Err(PaymentError::Conflict),
    }
}

#[cfg(test)]
mod tests;
