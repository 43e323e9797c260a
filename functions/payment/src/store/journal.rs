//! The transfers of an account from oldest to newest, for the audit of the ledger.

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{Item, from_item, text};
use kernel::Timestamp;

use super::transfers::{TransferRecord, transfer_key};
use super::{Store, StoreError};
use crate::domain::{Cursor, Party, PaymentAccountId, Transfer, TransferStatus, encode_entry};

/// The number of transfers that one query reads.
const PER_QUERY: i32 = 500;

/// The prefix of a transfer's partition key, followed by its id.
const TRANSFER_PREFIX: &str = "TRANSFER#";

/// Reads the completed transfers of an account, a page of each direction at a time. The indexes are eventually consistent.
pub struct Journal<'a> {
    store: &'a Store,
    account: &'a PaymentAccountId,
    /// The creation time of the oldest transfer to read.
    since: Option<Timestamp>,
    payer: Direction,
    payee: Direction,
}

/// The transfers in which the account is one of the parties.
#[derive(Default)]
struct Direction {
    read: VecDeque<(String, Item)>,
    next: Next,
}

/// The page of an index to read next.
#[derive(Default)]
enum Next {
    #[default]
    First,
    After(Item),
    End,
}

/// A transfer, as it is stored.
#[derive(Debug)]
pub struct JournalEntry {
    order: String,
    item: Item,
    /// Whether the index has it under the account as the payer, and as the payee.
    is_debit: bool,
    is_credit: bool,
}

impl Store {
    pub fn journal<'a>(&'a self, account: &'a PaymentAccountId, since: Option<Timestamp>) -> Journal<'a> {
        Journal { store: self, account, since, payer: Direction::default(), payee: Direction::default() }
    }
}

impl Journal<'_> {
    /// The next transfer. Those of the same millisecond are sorted by their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn next(&mut self) -> Result<Option<JournalEntry>, StoreError> {
        let Self { store, account, since, payer, payee } = self;
        payer.fill(store, Party::Payer, account, *since).await?;
        payee.fill(store, Party::Payee, account, *since).await?;
        let Some(order) = [payer.order(), payee.order()].into_iter().flatten().min().cloned() else { return Ok(None) };
        let (debit, credit) = (payer.take(&order), payee.take(&order));
        let (is_debit, is_credit) = (debit.is_some(), credit.is_some());
        Ok(debit.or(credit).map(|item| JournalEntry { order, item, is_debit, is_credit }))
    }
}

impl Direction {
    fn order(&self) -> Option<&String> {
        self.read.front().map(|(order, _)| order)
    }

    /// Takes the next transfer, if it is the one of this order.
    fn take(&mut self, order: &str) -> Option<Item> {
        let (_, item) = self.read.pop_front_if(|(next, _)| next == order)?;
        Some(item)
    }

    /// Reads the next page, if all of the previous one was returned.
    async fn fill(
        &mut self,
        store: &Store,
        party: Party,
        account: &PaymentAccountId,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let (index, key) = match party {
            Party::Payer => ("byFrom", "from"),
            Party::Payee => ("byTo", "to"),
        };
        while self.read.is_empty() {
            let start = match std::mem::replace(&mut self.next, Next::End) {
                Next::First => None,
                Next::After(start) => Some(start),
                Next::End => return Ok(()),
            };
            let query = store.table.client().query().table_name(store.table.name()).index_name(index);
            let response = query
                .key_condition_expression("#key = :account AND #order >= :oldest")
                .expression_attribute_names("#key", key)
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":account", text(account))
                // An order begins with the time. '0' sorts before all times of this era.
                .expression_attribute_values(":oldest", text(since.map_or_else(|| "0".to_owned(), |at| at.to_string())))
                .set_exclusive_start_key(start)
                .limit(PER_QUERY)
                .send()
                .await?;
            for item in response.items.unwrap_or_default() {
                let order = item.get("order").and_then(|order| order.as_s().ok()).cloned();
                self.read.push_back((order.ok_or_else(|| StoreError::internal("an indexed item has no order"))?, item));
            }
            if let Some(last) = response.last_evaluated_key {
                self.next = Next::After(last);
            }
        }
        Ok(())
    }
}

impl JournalEntry {
    /// The creation time and the id, as far as they can be read.
    pub fn order(&self) -> &str {
        &self.order
    }

    /// The id of the transfer, as far as it can be read.
    pub fn id(&self) -> &str {
        let pk = self.item.get("pk").and_then(|pk| pk.as_s().ok());
        pk.and_then(|pk| pk.strip_prefix(TRANSFER_PREFIX)).unwrap_or(&self.order)
    }

    /// The transfer, if its attributes agree with its key and its place in the indexes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Internal`] otherwise.
    pub fn transfer(&self, account: &PaymentAccountId) -> Result<Transfer, StoreError> {
        let transfer = Transfer::try_from(from_item::<TransferRecord>(self.item.clone())?)?;
        let is_party = |party: Option<&PaymentAccountId>| party == Some(account);
        let is_consistent = transfer.status == TransferStatus::Completed
            && self.item.iter().all(|(name, value)| attribute(name, value).is_some())
            && Cursor::new(transfer.created_at, transfer.id).to_string() == self.order
            && transfer_key(transfer.id).iter().all(|(name, value)| self.item.get(name) == Some(value))
            && is_party(transfer.posting.from()) == self.is_debit
            && is_party(transfer.posting.to()) == self.is_credit;
        if is_consistent { Ok(transfer) } else { Err(StoreError::internal("its attributes contradict each other")) }
    }

    /// All attributes, for the digest of a day. Those of a transfer are texts and numbers.
    pub fn encoding(&self) -> Vec<u8> {
        let mut attributes: Vec<_> = self.item.iter().filter_map(|(name, value)| attribute(name, value)).collect();
        attributes.sort_unstable();
        encode_entry(attributes)
    }
}

/// The name, the type and the value of a text or a number.
fn attribute<'a>(name: &'a str, value: &'a AttributeValue) -> Option<(&'a str, &'a str, &'a str)> {
    match value {
        AttributeValue::S(text) => Some((name, "S", text)),
        AttributeValue::N(number) => Some((name, "N", number)),
        _ => None,
    }
}
