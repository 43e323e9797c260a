//! Listing a user's transfers.

use std::collections::BTreeSet;

use kernel::UserId;

use super::PaymentError;
use crate::domain::{Direction, FailureReason, Party, PaymentAccountId, TokenClaims, Transfer};
use crate::store::Store;
use crate::store::transfers::{Page, PageRange};

/// A page of the history of one of the user's accounts, or of all of them.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    pub owner: UserId,
    pub claims: TokenClaims,
    pub account: Option<PaymentAccountId>,
    pub range: PageRange,
}

/// Lists the transfers from and to a user's accounts, newest first, with their direction. Takes two consecutive round trips
/// for one account and at most three for up to twenty: the user, then the transfers of each account, concurrently.
///
/// # Errors
///
/// [`PaymentError`] if the account is not the user's, or the token is revoked.
pub async fn list_history(store: &Store, query: &HistoryQuery) -> Result<Page<(Transfer, Direction)>, PaymentError> {
    let user = store.replica(query.owner).await?;
    user.admit(&query.claims)?;
    let own: BTreeSet<String> = user.account_ids.into_iter().collect();
    let owns = |account: &PaymentAccountId| own.contains(account.as_str());
    let accounts: Vec<&str> = match &query.account {
        None => own.iter().map(String::as_str).collect(),
        Some(account) if owns(account) => vec![account.as_str()],
        Some(_) => return Err(FailureReason::AccountNotFound(Party::Payer).into()),
    };
    let Page { entries, next, complete_until } = store.list_transfers(&accounts, &query.range).await?;
    let directed = entries.into_iter().map(|transfer| {
        let direction = Direction::of(&transfer.posting, owns);
        (transfer, direction)
    });
    Ok(Page { entries: directed.collect(), next, complete_until })
}

#[cfg(test)]
mod tests;
