//! The payment context: payment accounts, the transfers between them, and a replica of users.
//!
//! | module | holds | may touch |
//! |---|---|---|
//! | [`domain`] | types and rules: accounts, transfers, what may be refused | the kernel alone |
//! | [`store`] | DynamoDB: one file per port, each port one command or one question | the domain, the SDK |
//! | [`http`] | one file per endpoint: parse, call a port, answer; problems in one place | the domain, the ports |
//! | [`events`] | which change of the table is which event, for whoever listens | the domain, the contracts, the store's items |
//! | [`sync`] | what the account context's events change here | the contracts, the ports |
//! | `bin/` | one file per Lambda: configuration and dependencies, nothing else | all of it |
//!
//! Money rule: every movement is one transfer with two sides, written in one transaction with the balances it changes,
//! and no read comes before it. Read [`store::ledger`] first: it is the heart.

pub mod domain;
pub mod events;
pub mod http;
pub mod secrets;
pub mod store;
pub mod sync;

mod serve;

pub use serve::serve;
