//! Taking in more than one payment at a time.
//!
//! A transaction holds the items it writes, and another one that needs them meanwhile is refused. So an account takes in
//! one payment in the time of a transaction. One that was opened with intake shards has items beside its own, and each of
//! them takes in a payment meanwhile:
//!
//! | item | sk | attribute | holds |
//! |---|---|---|---|
//! | shard | `INTAKE#<n>` | `received` | all it has ever taken in, which only grows |
//! | account | `ACCOUNT` | `drawn` | how much of each shard is in the account's own balance by now |
//!
//! What a shard still holds is `received - drawn`. Who pays writes a shard alone. Who spends writes the account alone, and
//! where its own balance is not enough draws, in that write, all that the shards hold: on the condition that `drawn` is as
//! it was read. A `received` that was read a while ago is only too low. So payer and spender never wait for one another,
//! and no money is drawn twice.
//!
//! A payment that meets nobody goes to the account itself, as if there were no shards: whether there are, a function asks
//! once a payment has met another one there, and remembers.
//!
//! To freeze such an account is to set the `status` of each item in its partition.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use dynamo::compat::{Attempt, Backoff, TransactionOutcome, attempt, condition_failed, is_conflict};
use kernel::{Amount, Currency, Timestamp};

use super::item::{INTAKE_SHARDS, Item, Reader, account_key, number, read_intake_shards, text};
use super::{StoreError, Table};
use crate::domain::{Account, IntakeShards, PaymentAccountId};

/// What the sort key of a shard begins with; its number follows.
const SHARD: &str = "INTAKE#";

/// Of so many accounts it is remembered whether they have shards.
const MOST_REMEMBERED: usize = 1_000;

/// What an account receives from somebody who need not own it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt<'a> {
    pub(crate) account: &'a PaymentAccountId,
    pub(crate) amount: Amount,
    pub(crate) currency: Currency,
    /// Whether a frozen account may receive it.
    pub(crate) frozen_too: bool,
}

/// An account that was looked at with its shards.
#[derive(Debug)]
pub(crate) struct Sharded {
    /// The account's own item.
    pub(crate) account: Item,
    /// What the shards held that it had not drawn.
    pub(crate) undrawn: Drawing,
}

/// What an account draws from its shards: all that they held when they were looked at.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// In minor units.
    pub(crate) amount: i64,
    /// What had been drawn, as the account has it.
    pub(crate) before: AttributeValue,
    /// What will have been drawn.
    pub(crate) after: AttributeValue,
}

/// Which accounts have shards, and which have none, as far as that was asked. It never changes.
#[derive(Debug, Default)]
pub(crate) struct KnownShards(Mutex<HashMap<PaymentAccountId, Option<IntakeShards>>>);

impl KnownShards {
    /// Where a payment to this account goes first.
    fn route_to(&self, account: &PaymentAccountId) -> Route {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(account).map_or(Route::Account, |shards| Route::from(*shards))
    }

    fn remember(&self, account: &PaymentAccountId, shards: Option<IntakeShards>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(account.clone(), shards);
    }
}

/// Where a payment goes.
#[derive(Debug, Clone, Copy)]
enum Route {
    /// To the account, as long as it meets nobody there.
    Account,
    /// To any of these shards.
    Shards(IntakeShards),
    /// To any of them, though it has met another payment at one: they may all be in use.
    BusyShards(IntakeShards),
    /// To the account: it has no shards, or the one that was tried does not take it.
    AccountOnly,
}

impl From<Option<IntakeShards>> for Route {
    fn from(shards: Option<IntakeShards>) -> Self {
        shards.map_or(Self::AccountOnly, Self::Shards)
    }
}

impl Table {
    /// The shards with which an account opens.
    pub(crate) fn new_shards(&self, account: &Account) -> Result<Vec<TransactWriteItem>, StoreError> {
        let count = account.intake_shards.map_or(0, IntakeShards::count);
        (0..count)
            .map(|shard| {
                let mut item = shard_key(&account.id, shard);
                item.insert("currency".to_owned(), text(account.currency));
                item.insert("status".to_owned(), text(account.status.as_str()));
                item.insert("received".to_owned(), number(0));
                item.insert("headroom".to_owned(), number(account.shard_headroom()));
                self.put_new(item)
            })
            .collect()
    }

    /// Writes all of the items or none, of which the one at `at` gives the receipt to its account; to a shard of it rather,
    /// where others are giving to the account at the same time. What a refusal says of that item is of the account.
    pub(crate) async fn transact_giving(
        &self,
        mut items: Vec<TransactWriteItem>,
        at: usize,
        receipt: Receipt<'_>,
        deadline: Option<Timestamp>,
    ) -> Result<TransactionOutcome, StoreError> {
        let may_pause = self.may_pause(deadline);
        let mut pauses = Backoff::default();
        let to_account = items.get(at).cloned();
        let mut route = self.known_shards.route_to(receipt.account);
        loop {
            let item = match route {
                Route::Shards(shards) | Route::BusyShards(shards) => Some(self.give_to_one_of(shards, receipt)?),
                Route::Account | Route::AccountOnly => to_account.clone(),
            };
            if let (Some(slot), Some(item)) = (items.get_mut(at), item) {
                *slot = item;
            }
            let reasons = match attempt(&self.client, items.clone()).await? {
                Attempt::Committed => return Ok(TransactionOutcome::Committed),
                Attempt::ConditionFailed(reasons) => {
                    let failed: Vec<_> = reasons.iter().map(condition_failed).collect();
                    let by_shard_alone = matches!(route, Route::Shards(_) | Route::BusyShards(_))
                        && failed.iter().enumerate().all(|(index, failed)| *failed == (index == at));
                    if !by_shard_alone {
                        return Ok(TransactionOutcome::ConditionFailed(reasons));
                    }
                    route = Route::AccountOnly;
                    continue;
                }
                Attempt::Conflict(reasons) => reasons,
            };
            if reasons.get(at).is_some_and(is_conflict) {
                let at_once;
                (route, at_once) = self.after_conflict(route, receipt.account).await;
                if at_once {
                    continue;
                }
            }
            let pause = pauses.next(&*self.random);
            if !may_pause(pause) {
                return Ok(TransactionOutcome::Conflict);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Where a payment goes next that has met another one where it went, and whether at once: as long as it has not met
    /// others twice.
    async fn after_conflict(&self, route: Route, account: &PaymentAccountId) -> (Route, bool) {
        match route {
            Route::Account => {
                let shards = self.shards_of(account).await.unwrap_or_else(|error| {
                    // The payment can wait its turn all the same.
                    tracing::warn!(%error, "whether the account has shards is not known");
                    None
                });
                (Route::from(shards), shards.is_some())
            }
            Route::Shards(shards) => (Route::BusyShards(shards), true),
            Route::BusyShards(_) | Route::AccountOnly => (route, false),
        }
    }

    fn give_to_one_of(&self, shards: IntakeShards, receipt: Receipt<'_>) -> Result<TransactWriteItem, StoreError> {
        let mut byte = [0];
        self.random.fill(&mut byte);
        let shard = byte.first().copied().unwrap_or_default() % shards.count();
        self.update(shard_key(receipt.account, shard), |update| {
            let may_receive = "currency = :currency AND headroom >= :amount";
            let update = if receipt.frozen_too {
                update.condition_expression(may_receive)
            } else {
                update
                    .condition_expression(format!("{may_receive} AND #status = :active"))
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":active", text("ACTIVE"))
            };
            update
                .update_expression("SET received = received + :amount, headroom = headroom - :amount")
                .expression_attribute_values(":currency", text(receipt.currency))
                .expression_attribute_values(":amount", number(receipt.amount.minor()))
        })
    }

    /// The shards that an account has, which is remembered. By a query, for that is what every function may do; and as it
    /// stood a moment ago, for they never change.
    async fn shards_of(&self, account: &PaymentAccountId) -> Result<Option<IntakeShards>, StoreError> {
        let (pk, sk) = key_texts(&account_key(account))?;
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", pk)
            .expression_attribute_values(":sk", sk)
            .projection_expression(INTAKE_SHARDS)
            .send()
            .await?;
        let Some(item) = answer.items().first() else { return Ok(None) };
        let shards = read_intake_shards(item)?;
        self.known_shards.remember(account, shards);
        Ok(shards)
    }

    /// Looks at an account and its shards at once, if it has shards.
    pub(crate) async fn with_shards(&self, account: &Item) -> Result<Option<Sharded>, StoreError> {
        if !account.contains_key(DRAWN) {
            return Ok(None);
        }
        let (pk, _) = key_texts(account)?;
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", pk)
            .consistent_read(true)
            .send()
            .await?;
        let is_shard = |item: &Item| Reader(item).optional_text("sk").is_some_and(|sk| sk.starts_with(SHARD));
        let (shards, mut own): (Vec<_>, Vec<_>) = answer.items.unwrap_or_default().into_iter().partition(is_shard);
        let account = own.pop().ok_or_else(|| StoreError::internal("an account was not found beside its shards"))?;
        let before = account.get(DRAWN).cloned().ok_or_else(|| Reader(&account).unreadable(DRAWN, "is missing"))?;
        let mut after = Reader(&account).integers(DRAWN)?;
        let mut amount: i64 = 0;
        for item in &shards {
            let shard = Reader(item);
            let number = shard.text("sk")?.trim_start_matches(SHARD);
            let drawn = number.parse::<usize>().ok().and_then(|number| after.get_mut(number));
            let drawn = drawn.ok_or_else(|| shard.unreadable("sk", "is not a shard of the account"))?;
            // Less than was drawn can only be said by a read that is older than the drawing.
            let received = shard.integer::<i64>("received")?.max(*drawn);
            amount = amount.saturating_add(received.saturating_sub(*drawn));
            *drawn = received;
        }
        Ok(Some(Sharded { account, undrawn: Drawing { amount, before, after: numbers(after) } }))
    }
}

/// The attribute of an account that says how much of each shard it has drawn.
const DRAWN: &str = "drawn";

/// What an account has drawn as it opens.
pub(crate) fn nothing_drawn(shards: IntakeShards) -> (String, AttributeValue) {
    (DRAWN.to_owned(), numbers(std::iter::repeat_n(0, usize::from(shards.count()))))
}

fn numbers(numbers: impl IntoIterator<Item = i64>) -> AttributeValue {
    AttributeValue::L(numbers.into_iter().map(number).collect())
}

fn shard_key(account: &PaymentAccountId, shard: u8) -> Item {
    let mut key = account_key(account);
    key.insert("sk".to_owned(), text(format!("{SHARD}{shard}")));
    key
}

fn key_texts(item: &Item) -> Result<(AttributeValue, AttributeValue), StoreError> {
    let reader = Reader(item);
    Ok((text(reader.text("pk")?), text(reader.text("sk")?)))
}
