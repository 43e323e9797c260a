//! A person's history: the transfers in and out of their accounts, newest first.
//!
//! Two round trips in depth: the person's accounts, then, at the same time, each account's newest transfers from both
//! indexes. Indexes follow the table with a short delay
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes>).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use kernel::{Timestamp, UserId};

use super::item::{Reader, order, read_transfer};
use super::{StoreError, Table};
use crate::domain::{Direction, PaymentAccountId, Transfer, TransferId};

/// What part of a history is asked for.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// Whose.
    pub owner: UserId,
    /// One of the owner's accounts; all of them if none is named.
    pub account: Option<PaymentAccountId>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
    /// After this place, reading from the newest to the oldest.
    pub after: Option<Cursor>,
    /// At most so many, 1 to 100.
    pub limit: usize,
}

/// A place in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When the last transfer before it was made.
    pub created_at: Timestamp,
    /// That transfer.
    pub id: TransferId,
}

/// A part of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Transfers, newest first, and which way each went.
    pub transfers: Vec<(Transfer, Direction)>,
    /// Where the next page begins, if there is more.
    pub next: Option<Cursor>,
}

/// Why there is no such history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The owner has no account of the id that was named.
    #[error("the account is not the owner's")]
    AccountNotFound,
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads histories.
pub trait ReadHistory {
    /// A page of the history. MUST hold each transfer once, though both its sides be the owner's.
    fn history(&self, query: HistoryQuery) -> impl Future<Output = Result<HistoryPage, HistoryError>> + Send;
}

impl ReadHistory for Table {
    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, HistoryError> {
        let own: BTreeSet<String> = self.account_ids(query.owner).await?.into_iter().collect();
        let is_own = |account: &PaymentAccountId| own.contains(account.as_str());
        let accounts: Vec<&str> = match &query.account {
            None => own.iter().map(String::as_str).collect(),
            Some(account) if is_own(account) => vec![account.as_str()],
            Some(_) => return Err(HistoryError::AccountNotFound),
        };
        let sides = accounts.iter().flat_map(|account| [("byFrom", "from", *account), ("byTo", "to", *account)]);
        let pages = try_join_all(sides.map(|side| self.side(side, &query))).await?;

        let mut newest_last: BTreeMap<String, Transfer> = pages.into_iter().flatten().collect();
        let mut transfers = Vec::new();
        while let Some((_, transfer)) = newest_last.pop_last() {
            if transfers.len() == query.limit {
                let next = transfers
                    .last()
                    .map(|(last, _): &(Transfer, Direction)| Cursor { created_at: last.created_at, id: last.id });
                return Ok(HistoryPage { transfers, next });
            }
            let direction = Direction::of(&transfer.posting, is_own);
            transfers.push((transfer, direction));
        }
        Ok(HistoryPage { transfers, next: None })
    }
}

impl Table {
    /// The newest transfers on one side of one account, each under its place in the order.
    async fn side(
        &self,
        (index, side, account): (&str, &str, &str),
        query: &HistoryQuery,
    ) -> Result<Vec<(String, Transfer)>, StoreError> {
        let oldest = query.since.map(|since| since.to_string()).unwrap_or_default();
        let cursor = query.after.as_ref().map(|cursor| order(cursor.created_at, cursor.id));
        // Every place begins with its time, so a bare time sorts before all places of that time; '~' after all places.
        let before = query.before.map_or_else(|| "~".to_owned(), |before| before.to_string());
        let newest = cursor.clone().map_or(before.clone(), |cursor| cursor.min(before));
        if oldest > newest {
            return Ok(Vec::new());
        }
        // BETWEEN includes the cursor itself, which is left out below; one more than asked for tells of a next page.
        let enough = i32::try_from(query.limit.saturating_add(2)).unwrap_or(i32::MAX);
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(index)
            .key_condition_expression("#side = :account AND #order BETWEEN :oldest AND :newest")
            .expression_attribute_names("#side", side)
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":account", AttributeValue::S(account.to_owned()))
            .expression_attribute_values(
                ":oldest",
                AttributeValue::S(if oldest.is_empty() { "0".into() } else { oldest }),
            )
            .expression_attribute_values(":newest", AttributeValue::S(newest))
            .scan_index_forward(false)
            .limit(enough)
            .send()
            .await?;
        answer
            .items()
            .iter()
            .map(|item| Ok((Reader(item).text("order")?.to_owned(), read_transfer(item)?)))
            .filter(|read| read.as_ref().map_or(true, |(place, _)| Some(place) != cursor.as_ref()))
            .collect()
    }
}
