//! The payment context: payment accounts, the transfers between them, payments, and a replica of users.
//!
//! | module | contents | depends on |
//! |---|---|---|
//! | [`domain`] | types and business rules | shared vocabulary only |
//! | [`store`] | the payment table in DynamoDB | the domain |
//! | [`app`] | use cases, their settings and [`app::PaymentError`] | the domain, the store |
//! | [`http`] | one file per endpoint, and the mapping of errors to problems | the use cases, the store's queries |
//! | [`ops`] | commands of operators | the use cases |
//! | [`events`] | consumed and published events | the domain, the store |
//! | `bin/` | one file per Lambda function | all of the above |
//!
//! Every movement of money is one transfer with two sides, written in the same transaction as the balances that it changes,
//! without a preceding read: see [`store::transfers`].

pub mod app;
pub mod domain;
pub mod events;
pub mod http;
pub mod ops;
pub mod store;

mod serve;
#[cfg(test)]
mod testing;

pub use serve::{authenticate_user, serve, serve_with_query};
