//! A table, and the requests that stores send to it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::{ConditionCheckBuilder, DeleteBuilder, PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, KeysAndAttributes, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use kernel::{Clock, Random, Timestamp};

use crate::lost_responses;
use crate::{Attempt, Item, Retries, StoreError, Transaction, TransactionOutcome};

/// The result of a conditional write of a single item.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteOutcome {
    /// The item after the write.
    Written(Item),
    /// Nothing was written. The item that did not meet the condition; `None` if the item does not exist.
    ConditionFailed(Option<Item>),
}

/// A table whose items have the key `pk`, `sk`.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    clock: Arc<dyn Clock + Send + Sync>,
    random: Arc<dyn Random + Send + Sync>,
    retry_budget: Duration,
}

impl Table {
    /// Creates a handle. A write that conflicts with transactions is retried for at most `retry_budget`.
    pub fn new(
        client: Client,
        name: impl Into<String>,
        clock: impl Clock + Send + Sync + 'static,
        random: impl Random + Send + Sync + 'static,
        retry_budget: Duration,
    ) -> Self {
        Self { client, name: name.into(), clock: Arc::new(clock), random: Arc::new(random), retry_budget }
    }

    pub const fn client(&self) -> &Client {
        &self.client
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn clock(&self) -> &(dyn Clock + Send + Sync) {
        &*self.clock
    }

    pub fn random(&self) -> &(dyn Random + Send + Sync) {
        &*self.random
    }

    /// A put of an item that must not exist yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Internal`] if the request is incomplete.
    pub fn put_new(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        self.put(item, |put| put.condition_expression("attribute_not_exists(pk)"))
    }

    /// A put with the condition that `build` adds, if any. On failure the existing item is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Internal`] if the request is incomplete.
    pub fn put(
        &self,
        item: Item,
        build: impl FnOnce(PutBuilder) -> PutBuilder,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(build(put).build().map_err(StoreError::internal)?).build())
    }

    /// An update. If its condition fails, the existing item is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Internal`] if the request is incomplete.
    pub fn update(
        &self,
        key: Item,
        build: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().update(build(update).build().map_err(StoreError::internal)?).build())
    }

    /// A condition on an item that is not written. If it fails, the existing item is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Internal`] if the request is incomplete.
    pub fn check(
        &self,
        key: Item,
        build: impl FnOnce(ConditionCheckBuilder) -> ConditionCheckBuilder,
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().condition_check(build(check).build().map_err(StoreError::internal)?).build())
    }

    /// A delete. If its condition fails, the existing item is returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Internal`] if the request is incomplete.
    pub fn delete(
        &self,
        key: Item,
        build: impl FnOnce(DeleteBuilder) -> DeleteBuilder,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().delete(build(delete).build().map_err(StoreError::internal)?).build())
    }

    /// Attempts a transaction once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for any failure but false conditions, conflicts and throttling.
    pub async fn attempt<P: Copy + PartialEq>(&self, transaction: &Transaction<P>) -> Result<Attempt<P>, StoreError> {
        let request = self.client.transact_write_items().set_transact_items(Some(transaction.writes()));
        // Its state is large, and kept once.
        let request = std::pin::pin!(request.send());
        match lost_responses::observe(request).await {
            (Ok(_), _) => Ok(Attempt::Committed),
            (Err(error), is_lost) => transaction.attempt(error, is_lost),
        }
    }

    /// Commits a transaction. On conflict and when throttled it is retried for the retry budget, within the invocation's
    /// time.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for any failure but false conditions and conflicts.
    pub async fn commit<P: Copy + PartialEq>(
        &self,
        transaction: &Transaction<P>,
    ) -> Result<TransactionOutcome<P>, StoreError> {
        let (outcome, _) = self.commit_with_time(|_| Ok(transaction.clone())).await?;
        Ok(outcome)
    }

    /// Commits a transaction as [`commit`](Self::commit), and builds it for each attempt with the current time, so that the
    /// time it records is close to that of its commit. Returns the time of the last attempt.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for any failure but false conditions and conflicts, and from `build`.
    pub async fn commit_with_time<P: Copy + PartialEq>(
        &self,
        build: impl Fn(Timestamp) -> Result<Transaction<P>, StoreError>,
    ) -> Result<(TransactionOutcome<P>, Timestamp), StoreError> {
        let mut retries = self.retries();
        loop {
            let now = self.clock.now();
            match retries.observe(self.attempt(&build(now)?).await?) {
                Attempt::Committed => return Ok((TransactionOutcome::Committed, now)),
                Attempt::ConditionFailed(failed) => return Ok((TransactionOutcome::ConditionFailed(failed), now)),
                Attempt::Cancelled(cancellation) => {
                    if !retries.pause_after(&cancellation).await {
                        return Ok((cancellation.outcome()?, now));
                    }
                }
            }
        }
    }

    /// Updates an item, unless the condition that `build` adds is false. It costs half of what a transaction costs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails, or transactions keep using the item.
    pub async fn update_item(
        &self,
        key: Item,
        build: impl Fn(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder,
    ) -> Result<WriteOutcome, StoreError> {
        let send = || {
            let update = self.client.update_item().table_name(&self.name).set_key(Some(key.clone()));
            build(update)
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
        };
        match self.retry_on_conflict(send).await {
            Ok(updated) => Ok(WriteOutcome::Written(updated.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                    Ok(WriteOutcome::ConditionFailed(failure.item().cloned()))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Puts an item, unless the condition that `build` adds is false. It costs half of what a transaction costs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails, or transactions keep using the item.
    pub async fn put_item(
        &self,
        item: Item,
        build: impl Fn(PutItemFluentBuilder) -> PutItemFluentBuilder,
    ) -> Result<WriteOutcome, StoreError> {
        let send = || {
            let put = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
            build(put).return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).send()
        };
        match self.retry_on_conflict(send).await {
            Ok(_) => Ok(WriteOutcome::Written(item)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                    Ok(WriteOutcome::ConditionFailed(failure.item().cloned()))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Sends a write of a single item. While a transaction is using the item, it is retried as [`commit`](Self::commit)
    /// does: the SDK does not
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>).
    ///
    /// # Errors
    ///
    /// The error of the last attempt.
    pub async fn retry_on_conflict<T, E, F>(&self, send: impl Fn() -> F) -> Result<T, SdkError<E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut retries = self.retries();
        loop {
            let outcome = send().await;
            let Err(error) = &outcome else { return outcome };
            if error.code() != Some("TransactionConflictException") || !retries.pause_after_conflict().await {
                return outcome;
            }
        }
    }

    /// The pauses between attempts at a write.
    pub fn retries(&self) -> Retries<'_> {
        Retries::new(&*self.random, self.retry_budget)
    }

    /// Reads an item, strongly consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(request.send().await?.item)
    }

    /// Reads several items, strongly consistently. Missing items are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails or is answered in part.
    pub async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let request = request.map_err(StoreError::internal)?;
        let response = self.client.batch_get_item().request_items(&self.name, request).send().await?;
        if response.unprocessed_keys().is_some_and(|keys| !keys.is_empty()) {
            return Err(StoreError::Unavailable("batch read was answered in part".to_owned()));
        }
        Ok(response.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default())
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}
