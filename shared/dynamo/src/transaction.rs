//! Transactions whose writes are labelled, so that a failed condition is traced to the write it belongs to.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use crate::{Item, StoreError};

/// The code of a write whose item another transaction is using.
const CONFLICT: &str = "TransactionConflict";
/// The code of a write whose condition is false.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";
/// Cancellation codes after which the same transaction may succeed later.
const TRANSIENT: [&str; 3] = [CONFLICT, "ThrottlingError", "ProvisionedThroughputExceeded"];

/// The writes of one `TransactWriteItems` request, each with its part in the transaction.
#[derive(Debug, Clone)]
pub struct Transaction<P> {
    parts: Vec<P>,
    writes: Vec<TransactWriteItem>,
}

impl<P> Default for Transaction<P> {
    fn default() -> Self {
        Self { parts: Vec::new(), writes: Vec::new() }
    }
}

/// The result of a transaction that was retried on conflict.
#[derive(Debug)]
pub enum TransactionOutcome<P> {
    Committed,
    /// Nothing was written, because at least one condition is false.
    ConditionFailed(FailedConditions<P>),
    /// Nothing was written, because other transactions kept using the items until the time was used up.
    Conflict,
}

/// The result of one attempt at a transaction.
#[derive(Debug)]
pub enum Attempt<P> {
    Committed,
    /// As [`TransactionOutcome::ConditionFailed`].
    ConditionFailed(FailedConditions<P>),
    /// Nothing was written, because of conflicts on these parts, or because of throttling.
    Conflict(Vec<P>),
}

/// The parts of a transaction whose conditions were false, in the order of the writes.
#[derive(Debug)]
pub struct FailedConditions<P> {
    failed: Vec<(P, Option<Item>)>,
    has_conflicts: bool,
}

impl<P: Copy + PartialEq> Transaction<P> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write.
    pub fn add(&mut self, part: P, write: TransactWriteItem) {
        self.parts.push(part);
        self.writes.push(write);
    }

    /// Adds a write.
    #[must_use]
    pub fn with(mut self, part: P, write: TransactWriteItem) -> Self {
        self.add(part, write);
        self
    }

    /// Replaces the write of a part, if the transaction has that part.
    pub fn replace(&mut self, part: P, write: TransactWriteItem) {
        let index = self.parts.iter().position(|other| *other == part);
        if let Some(slot) = index.and_then(|index| self.writes.get_mut(index)) {
            *slot = write;
        }
    }

    /// Returns the write of a part.
    pub fn get(&self, part: P) -> Option<&TransactWriteItem> {
        self.writes.get(self.parts.iter().position(|other| *other == part)?)
    }

    pub(crate) fn writes(&self) -> Vec<TransactWriteItem> {
        self.writes.clone()
    }

    /// Classifies the result of a request with [`Self::writes`].
    pub(crate) fn attempt<R: std::fmt::Debug>(
        &self,
        error: SdkError<TransactWriteItemsError, R>,
    ) -> Result<Attempt<P>, StoreError> {
        let Some(reasons) = cancellation_reasons(&error) else { return Err(error.into()) };
        // Checked first: a failed condition is an answer, even if other writes also conflicted.
        let failed = self.with_code(reasons, CONDITION_FAILED);
        if !failed.is_empty() {
            let failed =
                failed.into_iter().map(|(part, reason)| (part, reason.item().filter(|item| !item.is_empty()).cloned()));
            let has_conflicts = reasons.iter().any(|reason| reason.code() == Some(CONFLICT));
            return Ok(Attempt::ConditionFailed(FailedConditions { failed: failed.collect(), has_conflicts }));
        }
        let codes: Vec<_> =
            reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None").collect();
        if codes.is_empty() || !codes.iter().all(|code| TRANSIENT.contains(code)) {
            return Err(StoreError::Internal(format!("transaction cancelled: {}", codes.join(", "))));
        }
        Ok(Attempt::Conflict(self.with_code(reasons, CONFLICT).into_iter().map(|(part, _)| part).collect()))
    }

    fn with_code<'a>(&self, reasons: &'a [CancellationReason], code: &str) -> Vec<(P, &'a CancellationReason)> {
        let parts = self.parts.iter().copied().zip(reasons);
        parts.filter(|(_, reason)| reason.code() == Some(code)).collect()
    }
}

impl<P: Copy + PartialEq> FailedConditions<P> {
    /// Whether the condition of this part was false.
    pub fn contains(&self, part: P) -> bool {
        self.failed.iter().any(|(failed, _)| *failed == part)
    }

    /// Whether this part is the only one whose condition was false.
    pub fn is_only(&self, part: P) -> bool {
        matches!(self.failed.as_slice(), [(failed, _)] if *failed == part)
    }

    /// The item that the condition of this part was evaluated against; `None` if there was none.
    pub fn item(&self, part: P) -> Option<&Item> {
        self.failed.iter().find(|(failed, _)| *failed == part).and_then(|(_, item)| item.as_ref())
    }

    /// Whether other writes conflicted with a transaction in progress, so that a condition may have been evaluated against
    /// items that the other transaction has changed in part.
    pub const fn has_conflicts(&self) -> bool {
        self.has_conflicts
    }

    /// The parts and the items that their conditions were evaluated against, in the order of the writes.
    pub fn iter(&self) -> impl Iterator<Item = (P, Option<&Item>)> {
        self.failed.iter().map(|(part, item)| (*part, item.as_ref()))
    }
}

fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}
