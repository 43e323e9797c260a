//! The account context: people, what they sign in by, their sessions, and the keys that sign access tokens.
//!
//! | module | holds | may touch |
//! |---|---|---|
//! | [`domain`] | types and rules: identifiers, passwords, sessions, keys, tokens | the kernel, `auth`, cryptography |
//! | [`store`] | DynamoDB: one file per port, each port one command or one question | the domain, the SDK |
//! | [`sign_up`], [`sign_in`], [`refresh`], [`reauthenticate`], [`verification`] | the use cases of several steps, and what of the environment they need | the domain, the ports |
//! | [`http`] | one file per endpoint: parse, call the use case or the ports, answer; problems in one place | the domain, the ports |
//! | [`events`] | the functions that no client calls: the publisher of the outbox, the rotation of keys, and the status of people | the domain, the ports, the contracts, SNS |
//! | [`issue`] | issuing a session's tokens | the domain, the ports |
//! | [`settings`] | what of the environment several use cases read | the domain |
//! | [`delivery`] | bringing codes to people | the domain, SNS, SES |
//! | [`error`] | what may go wrong, as one type | the domain, the ports |
//! | [`current_key`] | the key that signs, kept in memory | the ports |
//! | [`verifier`] | what verifies the tokens of those who are signed in | the store's public keys |
//! | `bin/` | one file per Lambda: configuration and dependencies, nothing else | all of it |
//!
//! What it tells other contexts goes out by its table's stream, and only by that. Read [`store::items`] first.

pub mod current_key;
pub mod delivery;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod issue;
pub mod reauthenticate;
pub mod refresh;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod store;
#[cfg(test)]
mod testing;
pub mod verification;
pub mod verifier;
