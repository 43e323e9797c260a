//! What both contexts' stores need of DynamoDB: its errors told apart, and transactions that wait for their turn.

mod error;
mod transaction;

pub use error::StoreError;
pub use transaction::{Attempt, Outcome, Pauses, attempt, commit, condition_failed, in_turn, is_in_conflict};
