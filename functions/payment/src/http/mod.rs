//! One file per endpoint: parse, call a port, answer.

pub mod deposit;
pub mod get_transfer;
pub mod histories;
pub mod list_accounts;
pub mod open_account;
pub mod problems;
pub mod send;
pub mod withdraw;

mod posting;
#[cfg(test)]
mod testing;
mod wire;

pub use posting::{Poster, SelfDeposit};
