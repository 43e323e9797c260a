//! Transactions whose writes are labelled, so that a failed condition is traced to the write it belongs to.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use crate::{Item, StoreError};

/// The code of a write whose item another transaction is using.
const CONFLICT: &str = "TransactionConflict";
/// The code of a write whose condition is false.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";
/// The codes of a write that exceeded a capacity
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
const THROTTLED: [&str; 2] = ["ThrottlingError", "ProvisionedThroughputExceeded"];

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
    /// At least one cause is transient.
    Cancelled(Cancellation<P>),
}

/// The causes for which a transaction was cancelled, at least one of which is transient.
///
/// Conditions that failed beside a conflict prove nothing: the conflicting transaction may be an earlier attempt at the
/// same one, whose response was lost, and which has changed the items already.
#[derive(Debug)]
pub struct Cancellation<P> {
    conflicts: Vec<P>,
    is_throttled: bool,
    is_outcome_unknown: bool,
}

/// The parts of a transaction whose conditions were false, in the order of the writes.
#[derive(Debug)]
pub struct FailedConditions<P> {
    failed: Vec<(P, Option<Item>)>,
    follows_lost_attempt: bool,
}

impl<P> Attempt<P> {
    /// Whether an earlier attempt may have been committed. `was_unknown` says that of the attempts before this one.
    pub(crate) const fn remember_unknown_outcome(&mut self, was_unknown: bool) -> bool {
        match self {
            Self::Committed => false,
            Self::ConditionFailed(failed) => {
                failed.follows_lost_attempt |= was_unknown;
                failed.follows_lost_attempt
            }
            Self::Cancelled(cancellation) => {
                cancellation.is_outcome_unknown |= was_unknown;
                cancellation.is_outcome_unknown
            }
        }
    }
}

impl<P: Copy + PartialEq> Cancellation<P> {
    /// Whether another transaction was using the item of this part.
    pub fn has_conflict_on(&self, part: P) -> bool {
        self.conflicts.contains(&part)
    }

    /// Whether a request was throttled.
    pub const fn is_throttled(&self) -> bool {
        self.is_throttled
    }

    /// The outcome of a transaction whose last attempt was cancelled in this way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if an attempt may have been committed, or the transaction was throttled.
    pub fn outcome(&self) -> Result<TransactionOutcome<P>, StoreError> {
        if self.is_outcome_unknown {
            Err(StoreError::outcome_unknown())
        } else if self.is_throttled {
            Err(StoreError::Unavailable("transaction throttled".to_owned()))
        } else {
            Ok(TransactionOutcome::Conflict)
        }
    }
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

    /// Classifies the result of a request with [`Self::writes`], and whether the response to an earlier attempt at it was
    /// lost.
    pub(crate) fn attempt<R: std::fmt::Debug>(
        &self,
        error: SdkError<TransactWriteItemsError, R>,
        response_was_lost: bool,
    ) -> Result<Attempt<P>, StoreError> {
        let Some(reasons) = cancellation_reasons(&error) else { return Err(error.into()) };
        let has = |expected: &[&str]| reasons.iter().any(|reason| reason.code().is_some_and(|c| expected.contains(&c)));
        let failed = self.with_code(reasons, CONDITION_FAILED);
        let is_throttled = has(&THROTTLED);
        if is_throttled || has(&[CONFLICT]) {
            let conflicts = self.with_code(reasons, CONFLICT).into_iter().map(|(part, _)| part).collect();
            return Ok(Attempt::Cancelled(Cancellation {
                conflicts,
                is_throttled,
                is_outcome_unknown: response_was_lost || !failed.is_empty(),
            }));
        }
        if failed.is_empty() {
            let codes: Vec<_> = reasons.iter().filter_map(CancellationReason::code).collect();
            return Err(StoreError::Internal(format!("transaction cancelled: {}", codes.join(", "))));
        }
        let item = |reason: &CancellationReason| reason.item().filter(|item| !item.is_empty()).cloned();
        let failed = failed.into_iter().map(|(part, reason)| (part, item(reason))).collect();
        Ok(Attempt::ConditionFailed(FailedConditions { failed, follows_lost_attempt: response_was_lost }))
    }

    fn with_code<'a>(&self, reasons: &'a [CancellationReason], code: &str) -> Vec<(P, &'a CancellationReason)> {
        let parts = self.parts.iter().copied().zip(reasons);
        parts.filter(|(_, reason)| reason.code() == Some(code)).collect()
    }
}

impl<P: Copy + PartialEq> FailedConditions<P> {
    /// Whether an earlier attempt may have been committed, or may be committed later. It may be why the conditions failed.
    pub const fn follows_lost_attempt(&self) -> bool {
        self.follows_lost_attempt
    }

    /// Whether the condition of this part was false.
    pub fn contains(&self, part: P) -> bool {
        self.failed.iter().any(|(failed, _)| *failed == part)
    }

    /// The item that the condition of this part was evaluated against; `None` if there was none.
    pub fn item(&self, part: P) -> Option<&Item> {
        self.failed.iter().find(|(failed, _)| *failed == part).and_then(|(_, item)| item.as_ref())
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
