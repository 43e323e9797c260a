//! Transactions: one round trip, tried again while others hold what it needs.

use std::time::Duration;

use auth::Principal;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use kernel::{SessionId, Timestamp};

use super::item::{Item, number, text};
use super::{StoreError, Table};

/// The longest that a transaction waits for its turn, however far the deadline is.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is left of the time until the deadline for answering.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);
/// The pause before the second try is at most this long, and doubles from there.
const FIRST_PAUSE_MS: u64 = 10;
/// No pause is longer.
const LONGEST_PAUSE_MS: u64 = 320;

/// What a token must not be older than to move money. See the fence in `docs/architecture.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub(crate) epoch: u64,
    pub(crate) session: SessionId,
}

impl From<&Principal> for Fence {
    fn from(principal: &Principal) -> Self {
        Self { epoch: principal.epoch, session: principal.session_id }
    }
}

/// Why a transaction changed nothing.
#[derive(Debug)]
pub(crate) enum TransactionError {
    /// Conditions did not hold: one reason per item, in the items' order.
    ConditionFailed(Vec<CancellationReason>),
    /// Others held what it needs for as long as there was time.
    Contention,
    /// The table.
    Store(StoreError),
}

/// The item on which this item's condition failed, as the reasons tell it.
pub(crate) enum Verdict<'a> {
    /// Its condition held, or was not the reason.
    Held,
    /// It failed on this item.
    FailedOn(&'a Item),
    /// It failed because there is no item.
    FailedOnNothing,
}

pub(crate) fn verdict(reasons: &[CancellationReason], index: usize) -> Verdict<'_> {
    match reasons.get(index) {
        Some(reason) if reason.code() == Some("ConditionalCheckFailed") => {
            reason.item().filter(|item| !item.is_empty()).map_or(Verdict::FailedOnNothing, Verdict::FailedOn)
        }
        _ => Verdict::Held,
    }
}

impl Table {
    /// Carries out all of the items or none. A transaction in conflict with another is tried again, with full jitter
    /// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), until the deadline is near.
    pub(crate) async fn transact(
        &self,
        items: Vec<TransactWriteItem>,
        deadline: Option<Timestamp>,
    ) -> Result<(), TransactionError> {
        let give_up_at = self.give_up_at(deadline);
        let mut longest_pause_ms = FIRST_PAUSE_MS;
        loop {
            let outcome = self.client.transact_write_items().set_transact_items(Some(items.clone())).send().await;
            match outcome.map_err(classify) {
                Ok(_) => return Ok(()),
                Err(TransactionError::Contention) => {}
                Err(error) => return Err(error),
            }
            let pause = self.jitter(longest_pause_ms);
            if self.clock.now().plus(pause) >= give_up_at {
                return Err(TransactionError::Contention);
            }
            tokio::time::sleep(pause).await;
            longest_pause_ms = (longest_pause_ms * 2).min(LONGEST_PAUSE_MS);
        }
    }

    fn give_up_at(&self, deadline: Option<Timestamp>) -> Timestamp {
        let now = self.clock.now();
        let left = deadline.map_or(PATIENCE, |deadline| now.until(deadline).saturating_sub(TIME_TO_ANSWER));
        now.plus(left.min(PATIENCE))
    }

    fn jitter(&self, longest_ms: u64) -> Duration {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        Duration::from_millis(u64::from_be_bytes(bytes) % (longest_ms + 1))
    }

    /// Writes an item that must not be there yet.
    pub(crate) fn put_new(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Ok(TransactWriteItem::builder().put(put.map_err(incomplete)?).build())
    }

    /// Changes an item, and tells what it was where the condition fails.
    pub(crate) fn update(
        &self,
        key: Item,
        change: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().update(change(update).build().map_err(incomplete)?).build())
    }
}

/// The condition that a token is not older than the fence on its owner's account. Its names are set by [`guard`].
pub(crate) const GUARDED: &str = "ownerId = :me AND ownerEpoch <= :epoch AND NOT contains(revokedSessions, :session)";

/// What [`GUARDED`] compares with.
pub(crate) fn guard(update: UpdateBuilder, owner: impl std::fmt::Display, fence: Fence) -> UpdateBuilder {
    update
        .expression_attribute_values(":me", text(owner))
        .expression_attribute_values(":epoch", number(fence.epoch))
        .expression_attribute_values(":session", text(fence.session))
}

pub(crate) fn incomplete(error: impl std::fmt::Display) -> StoreError {
    StoreError::Refused(error.to_string())
}

fn classify(error: SdkError<TransactWriteItemsError>) -> TransactionError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        let in_progress =
            matches!(error.as_service_error(), Some(TransactWriteItemsError::TransactionInProgressException(_)));
        return if in_progress { TransactionError::Contention } else { TransactionError::Store(error.into()) };
    };
    let reasons = cancelled.cancellation_reasons();
    let has = |codes: &[&str]| reasons.iter().filter_map(CancellationReason::code).any(|code| codes.contains(&code));
    if has(&["ConditionalCheckFailed"]) {
        TransactionError::ConditionFailed(reasons.to_vec())
    } else if has(&["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]) {
        TransactionError::Contention
    } else {
        TransactionError::Store(error.into())
    }
}
