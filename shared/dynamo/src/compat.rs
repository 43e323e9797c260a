//! The former transaction helpers, until every store uses [`Table`](crate::Table).

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use kernel::Random;

use crate::StoreError;

/// The pause before the second try is at most this long; before each further one, at most twice as long.
const FIRST_PAUSE_MS: u64 = 10;
/// No pause is longer. Longer ones let those wait longest who have waited longest: see "Contention" in docs/architecture.md.
const LONGEST_PAUSE_MS: u64 = 80;
/// The code of a write whose item another transaction holds.
const CONFLICT: &str = "TransactionConflict";
/// Why a transaction may be cancelled that will pass later, unchanged.
const TRANSIENT: [&str; 3] = [CONFLICT, "ThrottlingError", "ProvisionedThroughputExceeded"];

/// What became of a transaction.
#[derive(Debug)]
pub enum TransactionOutcome {
    /// All of it was written.
    Committed,
    /// Nothing was written, for the condition of a write did not hold: one reason per write, in their order.
    ConditionFailed(Vec<CancellationReason>),
    /// Nothing was written, for others held what it needs for as long as it might wait.
    Conflict,
}

/// Whether this is the write whose condition did not hold.
pub fn condition_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// What became of one try at a transaction.
#[derive(Debug)]
pub enum Attempt {
    /// All of it was written.
    Committed,
    /// As [`TransactionOutcome::ConditionFailed`].
    ConditionFailed(Vec<CancellationReason>),
    /// Nothing was written, for others hold some of the items, and the reasons tell which; or for want of capacity.
    Conflict(Vec<CancellationReason>),
}

/// Whether another transaction holds this write's item.
pub fn is_conflict(reason: &CancellationReason) -> bool {
    reason.code() == Some(CONFLICT)
}

/// Tries once to write all or nothing.
///
/// # Errors
///
/// [`StoreError`] if it failed for any other reason than its conditions or a conflict.
pub async fn attempt(client: &Client, writes: Vec<TransactWriteItem>) -> Result<Attempt, StoreError> {
    let outcome = client.transact_write_items().set_transact_items(Some(writes)).send().await;
    let Err(error) = outcome else { return Ok(Attempt::Committed) };
    let Some(reasons) = cancellation_reasons(&error) else { return Err(error.into()) };
    // Before any other reason: a condition that does not hold is an answer, whatever else came in between.
    if reasons.iter().any(condition_failed) {
        return Ok(Attempt::ConditionFailed(reasons.to_vec()));
    }
    let codes: Vec<_> = reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None").collect();
    if codes.is_empty() || !codes.iter().all(|code| TRANSIENT.contains(code)) {
        return Err(StoreError::Internal(format!("the transaction was cancelled: {}", codes.join(", "))));
    }
    Ok(Attempt::Conflict(reasons.to_vec()))
}

/// Writes all or nothing. A transaction in conflict with another one is tried again after a pause of full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), for as long as `may_pause` lets it.
///
/// # Errors
///
/// [`StoreError`] if it failed for any other reason than its conditions or a conflict.
pub async fn commit(
    client: &Client,
    random: &(impl Random + ?Sized),
    writes: Vec<TransactWriteItem>,
    mut may_pause: impl FnMut(Duration) -> bool,
) -> Result<TransactionOutcome, StoreError> {
    let mut pauses = Backoff::default();
    loop {
        match attempt(client, writes.clone()).await? {
            Attempt::Committed => return Ok(TransactionOutcome::Committed),
            Attempt::ConditionFailed(reasons) => return Ok(TransactionOutcome::ConditionFailed(reasons)),
            Attempt::Conflict(_) => {}
        }
        let pause = pauses.next(random);
        if !may_pause(pause) {
            return Ok(TransactionOutcome::Conflict);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Sends a request for one item. While a transaction holds that item it is sent again, as [`commit`] does.
///
/// # Errors
///
/// What the request failed with, at last.
pub async fn retry_on_conflict<T, E, F>(
    random: &(impl Random + ?Sized),
    send: impl Fn() -> F,
    mut may_pause: impl FnMut(Duration) -> bool,
) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut pauses = Backoff::default();
    loop {
        let outcome = send().await;
        let Err(error) = &outcome else { return outcome };
        let pause = pauses.next(random);
        if error.code() != Some("TransactionConflictException") || !may_pause(pause) {
            return outcome;
        }
        tokio::time::sleep(pause).await;
    }
}

fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

/// Backoff of any length up to one that doubles, so that those who met once do not meet again.
#[derive(Debug)]
pub struct Backoff {
    longest_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { longest_ms: FIRST_PAUSE_MS }
    }
}

impl Backoff {
    /// The next one.
    pub fn next(&mut self, random: &(impl Random + ?Sized)) -> Duration {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let pause = Duration::from_millis(u64::from_le_bytes(bytes) % (self.longest_ms + 1));
        self.longest_ms = (self.longest_ms * 2).min(LONGEST_PAUSE_MS);
        pause
    }
}
