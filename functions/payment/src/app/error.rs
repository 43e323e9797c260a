//! The errors of this context.

use kernel::Amount;

use crate::domain::{AccountType, FailureReason, InvalidTransition, KeyReused, Rejection, TokenRevoked};
use crate::store::StoreError;

/// The reason why a request failed. Unless it is [`PaymentError::Store`], nothing was changed, except that the failure of a
/// transfer with an idempotency key is recorded.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// An account does not admit the operation.
    #[error("rejected: {reason}")]
    Rejected {
        reason: FailureReason,
        /// Whether an earlier request with the same key failed for this reason.
        replayed: bool,
    },
    #[error("payer and payee are the same account")]
    SameAccount,
    #[error("operation not available for this account type")]
    WrongAccountType { allowed: &'static [AccountType] },
    #[error("account id is taken")]
    AccountIdTaken,
    #[error("user is not replicated yet")]
    UserNotSynced,
    #[error("user has the maximum number of accounts")]
    TooManyAccounts,
    #[error("credit limit exceeds the maximum of {max} minor units", max = max.minor())]
    CreditLimitTooHigh { max: Amount },
    #[error("principal exceeds the maximum of {max} minor units", max = max.minor())]
    PrincipalTooHigh { max: Amount },
    /// Self-service deposits are disabled in this deployment.
    #[error("self-service deposits are disabled")]
    SelfDepositDisabled,
    /// Users can't open CREDIT and LOAN accounts themselves in this deployment.
    #[error("self-service credit is disabled")]
    SelfCreditDisabled,
    #[error("the user's credit in this currency would exceed the maximum of {max} minor units", max = max.minor())]
    CreditPerUserExceeded { max: Amount },
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    #[error(transparent)]
    Revoked(#[from] TokenRevoked),
    #[error("transfer not found")]
    TransferNotFound,
    #[error("payment not found")]
    PaymentNotFound,
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
    /// The provider's transaction has settled another payment.
    #[error("provider transaction has settled another payment")]
    ProviderTransactionUsed,
    #[error("webhook id was used with different data")]
    WebhookIdReused,
    /// Other transactions kept using the same items.
    #[error("conflicting transactions on the same items")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FailureReason> for PaymentError {
    fn from(reason: FailureReason) -> Self {
        Self::Rejected { reason, replayed: false }
    }
}

impl From<Rejection> for PaymentError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Revoked => Self::Revoked(TokenRevoked),
            Rejection::WrongType { allowed } => Self::WrongAccountType { allowed },
            Rejection::Failed(reason) => reason.into(),
        }
    }
}
