//! Transactions: one round trip, tried again while others hold what it needs.

use std::future::Future;
use std::time::Duration;

use auth::Principal;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use dynamo::compat::{self, TransactionOutcome, condition_failed};
use kernel::{SessionId, Timestamp};

use super::item::{Item, number, text};
use super::{StoreError, Table};

/// The longest that a transaction waits for its turn, however far the deadline is.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is left of the time until the deadline for answering.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);

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
        Some(reason) if condition_failed(reason) => {
            reason.item().filter(|item| !item.is_empty()).map_or(Verdict::FailedOnNothing, Verdict::FailedOn)
        }
        _ => Verdict::Held,
    }
}

impl Table {
    /// Writes all of the items or none. While others hold what it needs, it waits for its turn until the deadline is
    /// near.
    pub(crate) async fn transact(
        &self,
        items: Vec<TransactWriteItem>,
        deadline: Option<Timestamp>,
    ) -> Result<TransactionOutcome, StoreError> {
        compat::commit(&self.client, &*self.random, items, self.may_pause(deadline)).await
    }

    /// Sends a write of one item. While transactions hold it, it waits for its turn as they do.
    pub(crate) async fn retry_on_conflict<T, E, F>(
        &self,
        deadline: Option<Timestamp>,
        send: impl Fn() -> F,
    ) -> Result<T, SdkError<E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        compat::retry_on_conflict(&*self.random, send, self.may_pause(deadline)).await
    }

    /// Whether there is time for a pause.
    pub(crate) fn may_pause(&self, deadline: Option<Timestamp>) -> impl Fn(Duration) -> bool {
        let now = self.clock.now();
        let left = deadline.map_or(PATIENCE, |deadline| now.until(deadline).saturating_sub(TIME_TO_ANSWER));
        let give_up_at = now.plus(left.min(PATIENCE));
        move |pause| self.clock.now().plus(pause) < give_up_at
    }

    /// Makes one change for the fence, unless its condition fails. In a transaction of its own, which waits for its turn:
    /// an item that is kept busy must not keep the fence away.
    pub(crate) async fn change_in_turn(&self, change: TransactWriteItem) -> Result<(), StoreError> {
        match self.transact(vec![change], None).await? {
            TransactionOutcome::Committed | TransactionOutcome::ConditionFailed(_) => Ok(()),
            TransactionOutcome::Conflict => Err(StoreError::Unavailable("other transactions held the item".to_owned())),
        }
    }

    /// Writes an item that must not be there yet.
    pub(crate) fn put_new(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Ok(TransactWriteItem::builder().put(put.map_err(StoreError::internal)?).build())
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
        Ok(TransactWriteItem::builder().update(change(update).build().map_err(StoreError::internal)?).build())
    }
}

/// The condition that a token is not older than the fence on its owner's account. What it compares with is set by
/// [`guard`].
pub(crate) const GUARDED: &str = "ownerId = :me AND ownerEpoch <= :epoch AND NOT contains(revokedSessions, :session)";

/// What [`GUARDED`] compares with.
pub(crate) fn guard_values(owner: impl std::fmt::Display, fence: Fence) -> Item {
    Item::from([
        (":me".to_owned(), text(owner)),
        (":epoch".to_owned(), number(fence.epoch)),
        (":session".to_owned(), text(fence.session)),
    ])
}

/// An update on the condition [`GUARDED`], which is yet to be set.
pub(crate) fn guard(update: UpdateBuilder, owner: impl std::fmt::Display, fence: Fence) -> UpdateBuilder {
    update.set_expression_attribute_values(Some(guard_values(owner, fence)))
}
