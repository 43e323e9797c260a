//! The payment table in DynamoDB.
//!
//! | item | pk | sk | written by |
//! |---|---|---|---|
//! | account | `ACCOUNT#<id>` | `ACCOUNT` | [`accounts`] opens it, [`transfers`] change its balance |
//! | write shard | `ACCOUNT#<id>` | `INTAKE#<n>` | [`accounts`] and [`shards::setting`] open it, [`shards`] credits it |
//! | transfer | `TRANSFER#<id>` | `TRANSFER` | [`transfers`]; [`accounts`] for the opening transfer |
//! | user | `USER#<id>` | `USER` | [`users`] and [`revocations`] from events; [`accounts`] adds the account's id |
//! | executed request | `IDEMPOTENCY#<operation>` | `IDEMPOTENCY` | [`accounts`] and [`payments`], if the request has an idempotency key |
//! | payment | `PAYMENT#<reference>` | `PAYMENT` | [`payments`] |
//! | provider's transaction | `PROVIDER_TRANSACTION#<provider>#<id>` | `PROVIDER_TRANSACTION` | [`payments`], which it settles |
//! | operator's command | `COMMANDS#<user>` | `<time>#<account>` | [`commands`], with its effect |
//! | closing | `CLOSINGS#<account>` | `<day>` | [`closings`], by the audit of the ledger |
//! | finding | `FINDINGS#<account>` | `<time>#<kind>` | [`ledger_audit`] |
//! | progress of the audit | `LEDGER_AUDIT` | `LEDGER_AUDIT` | [`ledger_audit`] |
//! | webhook | `WEBHOOK#<id>` | `WEBHOOK` | [`webhooks`], with its effect on the payment |
//! | public key | `SIGNING_KEYS` | `KEY#<kid>` | [`signing_keys`] from events |
//!
//! A transfer is in the index `byFrom` under the payer's account and in `byTo` under the payee's, sorted by creation time.
//! An external account has no attribute and a FAILED transfer has no `order`, so neither is indexed. A payment is in
//! `byOwner` under its owner, a webhook for reconciliation in `byReconciliation`, and an account in `byAccount`.

pub mod account_status;
pub mod accounts;
pub mod closings;
pub mod commands;
pub mod journal;
pub mod ledger_audit;
pub mod payments;
pub mod revocations;
pub mod shards;
pub mod signing_keys;
pub mod transfers;
pub mod users;
pub mod webhooks;

mod pagination;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use dynamo::{FailedConditions, Item, Table};
use futures_util::{StreamExt, stream};
use kernel::{Clock, Random, Timestamp};
use serde::Serialize;

pub use dynamo::StoreError;
use shards::ShardCache;

use crate::domain::{IdempotentRequest, WriteShards};

/// The maximum time that a write is retried while other transactions use its items.
const RETRY_BUDGET: Duration = Duration::from_secs(5);

/// The maximum number of accounts that an event updates concurrently. A user has at most 100.
const CONCURRENT_UPDATES: usize = 16;

/// The maximum number of concurrent queries of a request: one for each direction of twenty accounts, the default maximum.
const MAX_CONCURRENT_QUERIES: usize = 40;

/// The payment table.
#[derive(Debug, Clone)]
pub struct Store {
    table: Table,
    shard_cache: Arc<ShardCache>,
    auto_shards: Option<WriteShards>,
}

impl Store {
    pub fn new(
        client: Client,
        table: impl Into<String>,
        clock: impl Clock + Send + Sync + 'static,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        let table = Table::new(client, table, clock, random, RETRY_BUDGET);
        Self { table, shard_cache: Arc::default(), auto_shards: None }
    }

    /// Gives this many write shards to DEBIT accounts on which credits keep conflicting.
    #[must_use]
    pub fn with_auto_shards(self, auto_shards: Option<WriteShards>) -> Self {
        Self { auto_shards, ..self }
    }

    pub fn now(&self) -> Timestamp {
        self.table.clock().now()
    }

    pub fn random(&self) -> &(dyn Random + Send + Sync) {
        self.table.random()
    }

    /// Applies a change to each of a user's accounts, a few at a time. Every account is attempted, also after a failure: the
    /// next delivery of the event repeats those that failed.
    async fn update_accounts(
        &self,
        accounts: &[String],
        build: impl Fn(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder,
    ) -> Result<(), StoreError> {
        let update = |account| self.table.update_item(accounts::record::account_key(account), &build);
        let updates: Vec<_> = accounts.iter().map(update).collect();
        let outcomes: Vec<_> = stream::iter(updates).buffer_unordered(CONCURRENT_UPDATES).collect().await;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }
}

/// Checks that false conditions decide a request. After a lost attempt they don't: it may have been committed, or may be
/// later. With an idempotency key a repetition of the request learns which.
///
/// # Errors
///
/// [`StoreError::Unavailable`] if the outcome is unknown.
fn ensure_conclusive<P: Copy + PartialEq>(
    failed: &FailedConditions<P>,
    request: &IdempotentRequest,
) -> Result<(), StoreError> {
    let is_unknown = failed.follows_lost_attempt() && request.fingerprint.is_none();
    if is_unknown { Err(StoreError::outcome_unknown()) } else { Ok(()) }
}

/// Serializes a record and adds its key.
fn item(key: Item, record: impl Serialize) -> Result<Item, StoreError> {
    let mut item = dynamo::to_item(record)?;
    item.extend(key);
    Ok(item)
}

/// The key of an item.
fn key_of(item: &Item) -> Item {
    let is_key = |name: &str| matches!(name, "pk" | "sk");
    item.iter().filter(|(name, _)| is_key(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Finds the item with this sort key in the response of a batch read.
fn with_sort_key<'a>(items: &'a [Item], sk: &str) -> Option<&'a Item> {
    items.iter().find(|item| item.get("sk").and_then(|value| value.as_s().ok()).is_some_and(|found| found == sk))
}
