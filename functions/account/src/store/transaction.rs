//! Committing transactions.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use dynamo::compat::{self, TransactionOutcome};
use kernel::Random;
use serde::Serialize;

use super::records::Item;
use super::{StoreError, records};

/// How long a transaction waits, all in all, while it is in conflict with others on the same items. Two people seldom
/// sign up with one address, and one seldom signs in twice at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// A put. If its condition does not hold, the reason carries the item that stands in its way.
pub(super) fn put(table: &str, item: impl Serialize, condition: Option<&str>) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(records::write(item)?))
        .set_condition_expression(condition.map(str::to_owned))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(StoreError::internal)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// A change of an item. If its condition does not hold, the reason carries the item as it is.
pub(super) fn update(
    table: &str,
    key: Item,
    change: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
) -> Result<TransactWriteItem, StoreError> {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().update(change(update).build().map_err(StoreError::internal)?).build())
}

/// Writes all or nothing. If it was refused, answers with one reason per write, in their order.
pub(super) async fn commit(
    client: &Client,
    random: &(dyn Random + Send + Sync),
    writes: Vec<TransactWriteItem>,
) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
    let mut waited = Duration::ZERO;
    let may_pause = |pause| {
        waited += pause;
        waited <= PATIENCE
    };
    match compat::commit(client, random, writes, may_pause).await? {
        TransactionOutcome::Committed => Ok(Ok(())),
        TransactionOutcome::ConditionFailed(reasons) => Ok(Err(reasons)),
        TransactionOutcome::Conflict => {
            Err(StoreError::Unavailable("other transactions held the same items".to_owned()))
        }
    }
}

/// Sends a write of one item, again while a transaction holds it
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>): the SDK itself does not.
pub(super) async fn retry_on_conflict<T, E, F>(
    random: &(dyn Random + Send + Sync),
    send: impl Fn() -> F,
) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut waited = Duration::ZERO;
    let may_pause = |pause| {
        waited += pause;
        waited <= PATIENCE
    };
    compat::retry_on_conflict(random, send, may_pause).await
}
