//! Payments: creating, reading and listing them, and changing their status.
//!
//! A status change is conditional on the current status, so of concurrent changes one succeeds. A success that credits an
//! account does so in the same transaction.

mod create;
mod query;
mod record;
mod transition;

pub use create::{CreateOutcome, CreatePayment};
pub(crate) use record::PaymentRecord;
pub(super) use record::payment_key;
pub use transition::{PaymentToChange, TransitionOutcome};
pub(super) use transition::{SettlementPart, collection_leg, transition_outcome};

#[cfg(test)]
mod tests;
