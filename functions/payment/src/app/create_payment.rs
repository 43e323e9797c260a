//! Creating a payment.

use contact::{Email, Phone};
use kernel::{Amount, Currency};

use super::{OperationContext, PaymentError};
use crate::domain::{
    Actor, Idempotent, Payment, PaymentAccountId, PaymentMethod, PaymentReference, PaymentStatus, Rejection,
    StatusChange, TokenRevoked,
};
use crate::store::Store;
use crate::store::payments::{CreateOutcome, CreatePayment};

/// The parameters of a payment.
#[derive(Debug, Clone)]
pub struct NewPaymentParams {
    pub amount: Amount,
    pub currency: Currency,
    pub method: PaymentMethod,
    pub customer_phone: Phone,
    pub customer_email: Email,
    /// The account that is credited when the payment succeeds.
    pub payment_account_id: Option<PaymentAccountId>,
}

/// Creates a payment, at most once per request with an idempotency key.
///
/// # Errors
///
/// [`PaymentError`] if no payment was created.
pub async fn create_payment(
    store: &Store,
    context: OperationContext,
    params: NewPaymentParams,
    provider_name: &str,
) -> Result<Idempotent<Payment>, PaymentError> {
    let OperationContext { user, claims, request } = context;
    let now = store.now();
    let payment = Payment {
        reference: PaymentReference::new(&request, now, store.random()),
        owner: user,
        amount: params.amount,
        currency: params.currency,
        method: params.method,
        customer_phone: params.customer_phone,
        customer_email: params.customer_email,
        status: PaymentStatus::Initiated,
        provider_name: provider_name.to_owned(),
        provider_transaction_id: None,
        payment_account_id: params.payment_account_id,
        created_at: now,
        updated_at: now,
        history: vec![StatusChange { status: PaymentStatus::Initiated, at: now, by: Actor::Owner }],
        version: 1,
    };
    execute(store, CreatePayment { payment, request, claims }).await
}

pub(crate) async fn execute(store: &Store, command: CreatePayment) -> Result<Idempotent<Payment>, PaymentError> {
    match store.create_payment(&command).await? {
        CreateOutcome::Created(at) => Ok(Idempotent::executed(command.payment.with_created_at(at))),
        CreateOutcome::TokenRevoked => Err(TokenRevoked.into()),
        CreateOutcome::Exists(stored) => {
            let replayed = command.request.replay(stored)?;
            Ok(Idempotent { value: replayed.value.as_created(), ..replayed })
        }
        CreateOutcome::AccountRejected(account) => {
            Err(Rejection::of_payment(&command.payment, account.as_ref(), &command.claims).into())
        }
        CreateOutcome::Conflict => Err(PaymentError::Conflict),
    }
}

#[cfg(test)]
mod tests;
