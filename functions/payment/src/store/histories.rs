//! A person's history: the transfers in and out of their accounts, newest first.
//!
//! Two round trips in depth: the person's accounts, then, at the same time, each account's newest transfers from both
//! indexes. Indexes follow the table with a short delay
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes>).

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::future::try_join_all;
use kernel::{Timestamp, UserId};

use super::item::read_transfer;
use super::newest::{Partition, Span, merge};
use super::{StoreError, Table};
use crate::domain::{Direction, PaymentAccountId, Place, Transfer};

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
    pub after: Option<Place>,
    /// At most so many, 1 to 100.
    pub limit: usize,
}

/// A part of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Transfers, newest first, and which way each went.
    pub transfers: Vec<(Transfer, Direction)>,
    /// Where the next page begins, if there is more.
    pub next: Option<Place>,
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
        let HistoryQuery { since, before, after, limit, .. } = query;
        let span = Span { since, before, after, limit };
        let sides = accounts.iter().flat_map(|value| {
            [Partition { index: "byFrom", key: "from", value }, Partition { index: "byTo", key: "to", value }]
        });
        let newest = try_join_all(sides.map(|side| self.newest(side, &span))).await?;
        let (items, next) = merge(newest, limit);
        let directed = |item| {
            let transfer = read_transfer(item)?;
            let direction = Direction::of(&transfer.posting, is_own);
            Ok((transfer, direction))
        };
        let transfers = items.iter().map(directed).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(HistoryPage { transfers, next })
    }
}
