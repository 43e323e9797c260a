//! Write shards: an account that receives concurrent credits.
//!
//! Concurrent transactions on one item conflict, so an account receives one credit at a time. An account with write shards
//! has further items, each of which can receive a credit at the same time:
//!
//! | item | sk | attribute | value |
//! |---|---|---|---|
//! | shard | `INTAKE#<n>` | `received` | the sum of all its credits, which only grows |
//! | account | `ACCOUNT` | `drawn` | per shard, the part of `received` that is in the account's own balance |
//!
//! A shard's balance is `received - drawn`. A credit writes one shard and not the account. A debit writes the account and no
//! shard: if the account's own balance is insufficient, the same write drains all shards, on the condition that `drawn` is
//! unchanged since it was read. An outdated `received` is only too low. So credits and debits don't conflict, and no amount
//! is drained twice.
//!
//! Without contention a credit goes to the account itself, as if it had no shards. Only after a conflict does a function
//! query whether the account has shards, and caches the answer for a time.
//!
//! To freeze such an account, set the `status` of the account, and then that of every other item of its partition: an account
//! that is not active gets no further shards.

pub mod setting;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use dynamo::{Attempt, Item, Transaction, TransactionOutcome, from_item, key, number, text};
use kernel::{Amount, Balance, Currency, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::accounts::record::{AccountRecord, account_key, account_partition};
use super::{Store, StoreError, item};
use crate::domain::{
    Account, AccountRevocation, AccountState, AccountStatus, AccountType, NewShards, PaymentAccountId, Transfer,
    WriteShards,
};

/// The prefix of a shard's sort key, followed by its number.
const SHARD_PREFIX: &str = "INTAKE#";

/// The number of conflicts after which a payment gives its payee shards. If the account is in use for 40 % of the time, one
/// in a hundred payments meets that many.
const CONFLICTS_BEFORE_SHARDS: usize = 10;

/// The maximum number of accounts in the cache. A full cache is cleared.
const SHARD_CACHE_CAPACITY: usize = 1_000;
/// The time for which a function credits the shards that it has found. A shard that has been turned off may still be
/// credited until then. Nothing is lost: every opened shard is drained.
const SHARDS_LIFETIME: Duration = Duration::from_mins(10);
/// The time for which a function assumes that an account without shards gets none.
const NO_SHARDS_LIFETIME: Duration = Duration::from_mins(1);

/// A credit to an account that the initiator need not own.
#[derive(Debug, Clone, Copy)]
pub(super) struct CreditLeg<'a> {
    pub(super) account: &'a PaymentAccountId,
    pub(super) amount: Amount,
    pub(super) currency: Currency,
    /// Whether a frozen account can be credited.
    pub(super) allow_frozen: bool,
}

impl<'a> CreditLeg<'a> {
    pub(super) const fn new(account: &'a PaymentAccountId, transfer: &Transfer) -> Self {
        Self { account, amount: transfer.amount, currency: transfer.currency, allow_frozen: false }
    }
}

/// An account that was read together with its shards.
#[derive(Debug)]
pub struct ShardedAccount {
    /// The account, without the balance of its shards.
    pub account: Account,
    pub revocation: AccountRevocation,
    /// The balance of its shards, as a drain of all of them.
    pub undrained: ShardDrain,
}

impl ShardedAccount {
    /// The account with the balance of its shards.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the sum exceeds the maximum balance.
    pub fn with_shard_balances(self) -> Result<Account, StoreError> {
        let Self { account, undrained, .. } = self;
        let balance = Balance::from_minor(account.balance.minor().saturating_add(undrained.amount));
        let balance = balance.map_err(StoreError::internal)?;
        Ok(Account { balance, available: account.available.saturating_add(undrained.amount), ..account })
    }
}

/// The transfer of the balance of all shards to the account's own balance.
#[derive(Debug)]
pub struct ShardDrain {
    /// In minor units.
    pub amount: i64,
    drawn_before: Vec<i64>,
    drawn_after: Vec<i64>,
}

impl ShardDrain {
    pub(super) fn before(&self) -> AttributeValue {
        numbers(&self.drawn_before)
    }

    pub(super) fn after(&self) -> AttributeValue {
        numbers(&self.drawn_after)
    }
}

/// The number of write shards of accounts on which a credit conflicted.
#[derive(Debug, Default)]
pub(super) struct ShardCache(Mutex<HashMap<PaymentAccountId, CachedShards>>);

#[derive(Debug, Clone, Copy)]
struct CachedShards {
    shards: KnownShards,
    expires_at: Timestamp,
}

/// What a function knows of the shards of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownShards {
    Some(WriteShards),
    /// The account has none, and can't be given any by a payment: it is no DEBIT account, or its number of shards was set.
    None,
    /// The account has none, and can be given some.
    NeverSet,
}

/// The attributes of an account from which [`KnownShards`] follow.
#[derive(Deserialize)]
struct ShardAttributes {
    #[serde(rename = "intakeShards")]
    write_shards: Option<WriteShards>,
    drawn: Option<Vec<i64>>,
    #[serde(rename = "type")]
    kind: AccountType,
}

impl From<ShardAttributes> for KnownShards {
    fn from(ShardAttributes { write_shards, drawn, kind }: ShardAttributes) -> Self {
        match write_shards {
            Some(shards) => Self::Some(shards),
            None if kind == AccountType::Debit && drawn.is_none() => Self::NeverSet,
            None => Self::None,
        }
    }
}

impl ShardCache {
    fn target(&self, account: &PaymentAccountId, now: Timestamp) -> CreditTarget {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.get(account).filter(|cached| cached.expires_at > now);
        cached.map_or(CreditTarget::Account, |cached| CreditTarget::from(cached.shards))
    }

    fn insert(&self, account: &PaymentAccountId, shards: KnownShards, now: Timestamp) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= SHARD_CACHE_CAPACITY {
            cache.clear();
        }
        let lifetime = if matches!(shards, KnownShards::Some(_)) { SHARDS_LIFETIME } else { NO_SHARDS_LIFETIME };
        cache.insert(account.clone(), CachedShards { shards, expires_at: now.plus(lifetime) });
    }
}

/// The item that receives a credit.
#[derive(Debug, Clone, Copy)]
enum CreditTarget {
    /// The account, until a conflict.
    Account,
    /// A random shard.
    Shards(WriteShards),
    /// A random shard, after a conflict on another one: all of them may be in use.
    BusyShards(WriteShards),
    /// The account: it has no shards, or a shard rejected the credit.
    AccountOnly,
    /// The account: it has no shards, and can be given some.
    AccountWithoutShards,
    /// The account, which is given shards by the same write.
    NewShards(WriteShards),
}

impl From<KnownShards> for CreditTarget {
    fn from(known: KnownShards) -> Self {
        match known {
            KnownShards::Some(shards) => Self::Shards(shards),
            KnownShards::None => Self::AccountOnly,
            KnownShards::NeverSet => Self::AccountWithoutShards,
        }
    }
}

impl CreditTarget {
    const fn shards(self) -> Option<WriteShards> {
        match self {
            Self::Shards(shards) | Self::BusyShards(shards) => Some(shards),
            Self::Account | Self::AccountOnly | Self::AccountWithoutShards | Self::NewShards(_) => None,
        }
    }
}

#[derive(Debug, Serialize)]
struct NewShardRecord {
    currency: Currency,
    status: AccountStatus,
    received: i64,
    headroom: i64,
}

/// A shard as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct ShardRecord {
    #[serde(rename = "sk", deserialize_with = "shard_number")]
    pub(super) number: usize,
    pub(super) currency: Currency,
    pub(super) received: i64,
    pub(super) headroom: i64,
}

impl ShardRecord {
    pub(super) fn read(item: Item) -> Result<Self, StoreError> {
        from_item(item)
    }
}

fn shard_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let sk = String::deserialize(deserializer)?;
    let number = sk.strip_prefix(SHARD_PREFIX).and_then(|number| number.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("a shard has no number"))
}

impl Store {
    /// The shards of a new account.
    pub(super) fn new_shards(&self, account: &Account) -> Result<Vec<TransactWriteItem>, StoreError> {
        let count = account.write_shards.map_or(0, WriteShards::count);
        let new = NewShards { numbers: 0..count, headroom: account.shard_headroom() };
        self.put_shards(&account.id, account.currency, account.status, &new)
    }

    fn put_shards(
        &self,
        account: &PaymentAccountId,
        currency: Currency,
        status: AccountStatus,
        new: &NewShards,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let headroom = new.headroom;
        let put = |shard| {
            let record = NewShardRecord { currency, status, received: 0, headroom };
            self.table.put_new(item(shard_key(account, shard), record)?)
        };
        new.numbers.clone().map(put).collect()
    }

    /// Commits a transaction whose write `part` credits the account of `leg`, as
    /// [`commit_with_time`](dynamo::Table::commit_with_time) does. After a conflict on that write, the credit goes to one of
    /// the account's write shards, if it has any. After [`CONFLICTS_BEFORE_SHARDS`], an account without shards is given some
    /// by the transaction itself. A condition that fails is the account's, not a shard's.
    pub(super) async fn commit_with_credit<P: Copy + PartialEq>(
        &self,
        build: impl Fn(Timestamp) -> Result<Transaction<P>, StoreError>,
        part: P,
        leg: CreditLeg<'_>,
    ) -> Result<(TransactionOutcome<P>, Timestamp), StoreError> {
        let mut retries = self.table.retries();
        let mut target = self.shard_cache.target(leg.account, self.now());
        let mut conflicts = 0;
        loop {
            let now = self.now();
            let mut transaction = build(now)?;
            if let Some(shards) = target.shards() {
                transaction.replace(part, self.credit_shard(shards, leg)?);
            }
            if let CreditTarget::NewShards(shards) = target {
                self.add_new_shards(&mut transaction, part, shards, leg)?;
            }
            let cancellation = match retries.observe(self.table.attempt(&transaction).await?) {
                Attempt::Committed => {
                    if let CreditTarget::NewShards(shards) = target {
                        tracing::info!(conflicts, "the payee was given write shards");
                        self.shard_cache.insert(leg.account, KnownShards::Some(shards), now);
                    }
                    return Ok((TransactionOutcome::Committed, now));
                }
                Attempt::ConditionFailed(failed) if target.shards().is_some() && failed.contains(part) => {
                    target = CreditTarget::AccountOnly;
                    continue;
                }
                Attempt::ConditionFailed(failed)
                    if matches!(target, CreditTarget::NewShards(_)) && failed.contains(part) =>
                {
                    // The item may be that of a shard, which has other attributes.
                    let attributes = failed.item(part).and_then(|item| from_item::<ShardAttributes>(item.clone()).ok());
                    let known = match attributes.map(KnownShards::from) {
                        // The account got shards in the meantime.
                        Some(KnownShards::Some(shards)) => KnownShards::Some(shards),
                        _ => KnownShards::None,
                    };
                    self.shard_cache.insert(leg.account, known, now);
                    target = CreditTarget::from(known);
                    continue;
                }
                Attempt::ConditionFailed(failed) => return Ok((TransactionOutcome::ConditionFailed(failed), now)),
                Attempt::Cancelled(cancellation) => cancellation,
            };
            if cancellation.has_conflict_on(part) {
                conflicts += 1;
                let immediately;
                (target, immediately) = self.after_conflict(target, leg.account).await;
                if let (CreditTarget::AccountWithoutShards, Some(shards)) = (target, self.auto_shards)
                    && conflicts >= CONFLICTS_BEFORE_SHARDS
                {
                    target = CreditTarget::NewShards(shards);
                }
                if immediately && !cancellation.is_throttled() {
                    continue;
                }
            }
            if !retries.pause_after(&cancellation).await {
                return Ok((cancellation.outcome()?, now));
            }
        }
    }

    /// The target of a credit after a conflict on the previous target, and whether to retry without a pause, as long as
    /// there was no conflict on two shards.
    async fn after_conflict(&self, target: CreditTarget, account: &PaymentAccountId) -> (CreditTarget, bool) {
        match target {
            CreditTarget::Account => {
                let shards = self.shards_of(account).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "write shards of the account are unknown; retrying on the account");
                    KnownShards::None
                });
                (CreditTarget::from(shards), matches!(shards, KnownShards::Some(_)))
            }
            CreditTarget::Shards(shards) => (CreditTarget::BusyShards(shards), true),
            CreditTarget::BusyShards(_)
            | CreditTarget::AccountOnly
            | CreditTarget::AccountWithoutShards
            | CreditTarget::NewShards(_) => (target, false),
        }
    }

    /// Makes the credit of a transaction also open write shards, with half of the limit of an empty account, which needs no
    /// read. The number of shards must never have been set.
    fn add_new_shards<P: Copy + PartialEq>(
        &self,
        transaction: &mut Transaction<P>,
        part: P,
        shards: WriteShards,
        leg: CreditLeg<'_>,
    ) -> Result<(), StoreError> {
        let new = NewShards::of_limit(shards);
        let amount = leg.amount.minor();
        let taken = amount.saturating_add(new.total_headroom());
        let credit = self.table.update(account_key(leg.account), |update| {
            update
                .update_expression(
                    "SET balance = balance + :amount, available = available + :amount, headroom = headroom - :taken, \
                     intakeShards = :shards, drawn = :new",
                )
                .condition_expression(
                    "currency = :currency AND #type = :debit AND #status = :active AND headroom >= :taken \
                     AND attribute_not_exists(drawn)",
                )
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":currency", text(leg.currency))
                .expression_attribute_values(":debit", text(AccountType::Debit))
                .expression_attribute_values(":active", text(AccountStatus::Active))
                .expression_attribute_values(":amount", number(amount))
                .expression_attribute_values(":taken", number(taken))
                .expression_attribute_values(":shards", number(shards.count()))
                .expression_attribute_values(":new", numbers(&nothing_drawn(shards)))
        })?;
        transaction.replace(part, credit);
        for shard in self.put_shards(leg.account, leg.currency, AccountStatus::Active, &new)? {
            transaction.add(part, shard);
        }
        Ok(())
    }

    fn credit_shard(&self, shards: WriteShards, leg: CreditLeg<'_>) -> Result<TransactWriteItem, StoreError> {
        const CAN_RECEIVE: &str = "currency = :currency AND headroom >= :amount";
        let mut byte = [0];
        self.random().fill(&mut byte);
        let shard = byte.first().copied().unwrap_or_default() % shards.count();
        self.table.update(shard_key(leg.account, shard), |update| {
            let update = if leg.allow_frozen {
                update.condition_expression(CAN_RECEIVE)
            } else {
                update
                    .condition_expression(format!("{CAN_RECEIVE} AND #status = :active"))
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":active", text(AccountStatus::Active))
            };
            update
                .update_expression("SET received = received + :amount, headroom = headroom - :amount")
                .expression_attribute_values(":currency", text(leg.currency))
                .expression_attribute_values(":amount", number(leg.amount.minor()))
        })
    }

    /// The write shards of an account, which are then cached. Read by a query, which every function's policy
    /// allows, and eventually consistently: it rarely changes.
    async fn shards_of(&self, account: &PaymentAccountId) -> Result<KnownShards, StoreError> {
        let response = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", text(account_partition(account)))
            .expression_attribute_values(":sk", text("ACCOUNT"))
            .projection_expression("intakeShards, drawn, #type")
            .expression_attribute_names("#type", "type")
            .send()
            .await?;
        let Some(item) = response.items().first() else { return Ok(KnownShards::None) };
        let known = KnownShards::from(from_item::<ShardAttributes>(item.clone())?);
        self.shard_cache.insert(account, known, self.now());
        Ok(known)
    }

    /// Reads an account and its shards. Returns `None`, without a query, if it has no shards.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn sharded_account(&self, account: &Account) -> Result<Option<ShardedAccount>, StoreError> {
        if account.opened_shards.unwrap_or_default() == 0 {
            return Ok(None);
        }
        let sharded = self.account_with_shards(&account.id).await?;
        sharded.map(Some).ok_or_else(|| StoreError::internal("an account was not found beside its shards"))
    }

    /// The items of an account and its shards, by one strongly consistent query. A query is no snapshot.
    pub(super) async fn account_items(&self, id: impl std::fmt::Display) -> Result<Vec<Item>, StoreError> {
        let query = self.table.client().query().table_name(self.table.name());
        let response = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(account_partition(id)))
            .consistent_read(true)
            .send()
            .await?;
        Ok(response.items.unwrap_or_default())
    }

    /// Reads an account and its shards with one strongly consistent query, if it exists.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn account_with_shards(&self, id: &PaymentAccountId) -> Result<Option<ShardedAccount>, StoreError> {
        let is_shard =
            |item: &Item| item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk.starts_with(SHARD_PREFIX));
        let (shards, mut own): (Vec<_>, Vec<_>) = self.account_items(id).await?.into_iter().partition(is_shard);
        let Some(own) = own.pop() else { return Ok(None) };
        let own: AccountRecord = from_item(own)?;
        let drawn_before = own.drawn().unwrap_or_default();
        let mut drawn_after = drawn_before.to_vec();
        let mut amount: i64 = 0;
        for shard in shards {
            let shard = ShardRecord::read(shard)?;
            // The shard may have been opened after the account was read: a query is not a snapshot. What it has received is
            // drained later.
            let Some(drawn) = drawn_after.get_mut(shard.number) else { continue };
            // The shard may have been read before a drain that the account includes.
            let received = shard.received.max(*drawn);
            amount = amount.saturating_add(received.saturating_sub(*drawn));
            *drawn = received;
        }
        let undrained = ShardDrain { amount, drawn_before: drawn_before.to_vec(), drawn_after };
        let AccountState { account, revocation } = own.try_into()?;
        Ok(Some(ShardedAccount { account, revocation, undrained }))
    }
}

/// The initial value of `drawn`.
pub(super) fn nothing_drawn(shards: WriteShards) -> Vec<i64> {
    vec![0; usize::from(shards.count())]
}

fn numbers(numbers: &[i64]) -> AttributeValue {
    AttributeValue::L(numbers.iter().map(number).collect())
}

fn shard_key(account: &PaymentAccountId, shard: u8) -> Item {
    key(account_partition(account), format_args!("{SHARD_PREFIX}{shard}"))
}

#[cfg(test)]
mod tests;
