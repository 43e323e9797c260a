//! DynamoDB. One file per port; a port is one command or one question, and mirrors what its function may do by IAM.
//!
//! | item | pk | sk | written by |
//! |---|---|---|---|
//! | account | `ACCOUNT#<id>` | `ACCOUNT` | [`accounts`] opens it, [`ledger`] moves its balance |
//! | intake shard | `ACCOUNT#<id>` | `INTAKE#<n>` | `accounts` opens it, `intake` gives to it |
//! | transfer | `TRANSFER#<id>` | `TRANSFER` | [`ledger`], [`accounts`] for what moves as an account opens |
//! | user | `USER#<id>` | `USER` | [`users`] and [`fence`] from events; [`accounts`] adds the account's id |
//! | opening | `IDEMPOTENCY#<request>` | `IDEMPOTENCY` | [`accounts`], where the client named its request |
//! | payment | `PAYMENT#<reference>` | `PAYMENT` | [`payments`], and [`webhooks`] on the provider's word |
//! | webhook | `WEBHOOK#<id>` | `WEBHOOK` | [`webhooks`], with what it does |
//! | public key | `SIGNING_KEYS` | `KEY#<kid>` | [`keys`] from events |
//!
//! A transfer stands in the index `byFrom` under the account that pays and in `byTo` under the one that receives, in
//! the order of creation. A side outside has no attribute, and a FAILED transfer no `order`, so neither is indexed. A
//! payment stands in `byOwnerStatus` under its owner and status; there stand also, under RECONCILIATION, the webhooks
//! that contradicted a payment that had come to an end.

pub mod accounts;
pub mod fence;
pub mod histories;
pub mod keys;
pub mod ledger;
pub mod payments;
pub mod transfers;
pub mod users;
pub mod webhooks;

mod intake;
mod item;
mod newest;
mod table;
mod transaction;

pub use dynamo::StoreError;
pub(crate) use item::{Item, read_transfer};
pub use table::Table;
pub use transaction::Fence;

#[cfg(test)]
mod tests;
