//! DynamoDB for stores: errors classified by whether a retry may succeed, and transactions that are retried on conflict.

mod error;
mod transaction;

pub use error::StoreError;
pub use transaction::{
    Attempt, Backoff, TransactionOutcome, attempt, commit, condition_failed, is_conflict, retry_on_conflict,
};
