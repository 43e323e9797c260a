//! One file per endpoint: parse, call a port, answer.

pub mod create_payment;
pub mod deposit;
pub mod get_payment;
pub mod get_transfer;
pub mod histories;
pub mod list_accounts;
pub mod list_payments;
pub mod open_account;
pub mod problems;
pub mod provider_webhook;
pub mod send;
pub mod update_payment_status;
pub mod verified;
pub mod withdraw;

mod describe;
mod page;
mod posting;
#[cfg(test)]
mod testing;
mod wire;

pub use describe::describe;
pub use posting::{Poster, SelfDeposit};
