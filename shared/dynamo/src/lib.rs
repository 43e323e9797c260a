//! DynamoDB for stores: typed records, classified errors, and transactions that are retried on conflict.

mod error;
mod lost_responses;
mod record;
mod retry;
mod table;
mod transaction;

pub use error::StoreError;
pub use lost_responses::LostResponses;
pub use record::{Item, from_item, key, number, text, to_item};
pub use retry::{Backoff, Retries};
pub use table::{Table, WriteOutcome};
pub use transaction::{Attempt, Cancellation, FailedConditions, Transaction, TransactionOutcome};
