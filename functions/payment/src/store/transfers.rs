//! One transfer, for those who may see it.

use std::future::Future;

use kernel::UserId;

use super::item::{Reader, read_transfer, transfer_key, user_key};
use super::{StoreError, Table};
use crate::domain::{PaymentAccountId, Transfer, TransferId, TransferStatus};

/// Finds a transfer.
pub trait FindTransfer {
    /// The transfer, if this person may see it: who asked for it may, and so may, once money has moved, the owner of
    /// either account. MUST answer none for a transfer that the person may not see, as for one that does not exist.
    fn find(&self, id: TransferId, reader: UserId)
    -> impl Future<Output = Result<Option<Transfer>, StoreError>> + Send;
}

impl FindTransfer for Table {
    async fn find(&self, id: TransferId, reader: UserId) -> Result<Option<Transfer>, StoreError> {
        let items = self.batch_get(vec![transfer_key(id), user_key(reader)]).await?;
        let has_sort_key = |sort_key: &str| {
            items.iter().find(|item| Reader(item).optional_text("sk").is_some_and(|sk| sk == sort_key))
        };
        let Some(item) = has_sort_key("TRANSFER") else { return Ok(None) };
        let transfer = read_transfer(item)?;
        let own = has_sort_key("USER").map(|user| Reader(user).texts("accountIds")).unwrap_or_default();
        let is_own = |account: Option<&PaymentAccountId>| {
            account.is_some_and(|account| own.iter().any(|id| id == account.as_str()))
        };
        let is_party = transfer.status == TransferStatus::Completed
            && (is_own(transfer.posting.from()) || is_own(transfer.posting.to()));
        Ok(Some(transfer).filter(|transfer| transfer.initiated_by == reader || is_party))
    }
}
