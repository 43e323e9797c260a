//! Changing the status of a payment on its owner's request.

use super::config::SelfDeposit;
use super::{OperationContext, PaymentError};
use crate::domain::{
    Actor, Idempotent, InvalidTransition, Payment, PaymentReference, PaymentStatus, ProviderTransactionId, Rejection,
    TokenRevoked, Transition,
};
use crate::store::Store;
use crate::store::payments::{PaymentToChange, TransitionOutcome};

/// The maximum number of attempts while others change the payment.
const MAX_ATTEMPTS: usize = 4;

/// A transition that the payment's owner requests.
#[derive(Debug, Clone)]
pub struct TransitionParams {
    pub reference: PaymentReference,
    pub to: PaymentStatus,
    pub provider_transaction_id: Option<ProviderTransactionId>,
}

/// Applies the transition, at most once per request, and returns the payment after it. Without an idempotency key, a
/// transition that the owner has made before with the same data changes nothing.
///
/// # Errors
///
/// [`PaymentError`] if the payment is unchanged.
pub async fn transition_payment(
    store: &Store,
    context: &OperationContext,
    params: TransitionParams,
    self_deposit: SelfDeposit,
) -> Result<Idempotent<Payment>, PaymentError> {
    let OperationContext { user, claims, request } = context;
    let TransitionParams { reference, to, provider_transaction_id } = params;
    let transition = Transition { to, provider_transaction_id, at: store.now(), by: Actor::Owner };
    for _ in 0..MAX_ATTEMPTS {
        let PaymentToChange { payment, owner, changed } = store.payment_to_change(reference, *user, request).await?;
        owner.admit(claims)?;
        if let Some(changed) = changed {
            return Ok(request.replay(changed)?);
        }
        let payment = payment.ok_or(PaymentError::PaymentNotFound)?;
        if to.predecessor() != Some(payment.status) {
            if request.fingerprint.is_none() && payment.has_undergone(&transition) {
                return Ok(Idempotent::executed(payment));
            }
            return Err(InvalidTransition { from: payment.status, to }.into());
        }
        if payment.collection_account(&transition).is_some() {
            self_deposit.check()?;
        }
        match store.transition(&payment, &transition, request, claims).await? {
            TransitionOutcome::Committed(at) => {
                return Ok(Idempotent::executed(payment.after(&Transition { at, ..transition })));
            }
            TransitionOutcome::Stale => {}
            TransitionOutcome::TokenRevoked => return Err(TokenRevoked.into()),
            TransitionOutcome::ProviderTransactionUsed => return Err(PaymentError::ProviderTransactionUsed),
            TransitionOutcome::AccountRejected(account) => {
                return Err(Rejection::of_collection(account.as_ref(), Some(claims)).into());
            }
            TransitionOutcome::Conflict => return Err(PaymentError::Conflict),
        }
    }
    Err(PaymentError::Conflict)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
