//! Use cases: they apply the business rules to what the store holds.

pub mod apply_webhook;
pub mod audit_ledger;
pub mod config;
pub mod create_payment;
pub mod error;
pub mod get_payment;
pub mod get_transfer;
pub mod list_accounts;
pub mod list_history;
pub mod list_payments;
pub mod open_account;
pub mod open_credit;
pub mod post_transfer;
pub mod set_write_shards;
pub mod transition_payment;
pub mod webhook_secrets;

use kernel::UserId;

use crate::domain::{IdempotentRequest, TokenClaims};

pub use error::PaymentError;

/// An authenticated request that creates something.
#[derive(Debug, Clone)]
pub struct OperationContext {
    pub user: UserId,
    pub claims: TokenClaims,
    pub request: IdempotentRequest,
}
