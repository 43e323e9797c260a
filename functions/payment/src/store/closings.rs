//! The closings of an account, one for each day on which it had transfers. A closing is never updated or deleted.

use dynamo::{Item, WriteOutcome, from_item, key, text};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, item};
use crate::domain::{Closing, Day, Digest, PaymentAccountId};

/// A closing as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredClosing {
    #[serde(flatten)]
    pub closing: Closing,
    /// The digest of the closing, when it was written.
    pub digest: Digest,
}

impl StoredClosing {
    pub fn new(closing: Closing, account: &PaymentAccountId) -> Self {
        Self { digest: closing.digest(account), closing }
    }

    /// Whether the closing is as it was written.
    pub fn is_intact(&self, account: &PaymentAccountId) -> bool {
        self.closing.digest(account) == self.digest
    }
}

impl Store {
    /// The newest closing of an account. `Err` within `Ok` if it can't be read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn latest_closing(
        &self,
        account: &PaymentAccountId,
    ) -> Result<Option<Result<StoredClosing, StoreError>>, StoreError> {
        let query = self.table.client().query().table_name(self.table.name());
        let response = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(closings_partition(account)))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await?;
        Ok(response.items.unwrap_or_default().pop().map(from_item))
    }

    /// The closing of a day. `Err` within `Ok` if it can't be read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn closing(
        &self,
        account: &PaymentAccountId,
        day: &Day,
    ) -> Result<Option<Result<StoredClosing, StoreError>>, StoreError> {
        Ok(self.table.get(closing_key(account, day)).await?.map(from_item))
    }

    /// Writes a closing. Returns the closing that the day has already, if it has one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn put_closing(
        &self,
        account: &PaymentAccountId,
        closing: &StoredClosing,
    ) -> Result<Option<Result<StoredClosing, StoreError>>, StoreError> {
        let closing = item(closing_key(account, &closing.closing.day), closing)?;
        match self.table.put_item(closing, |put| put.condition_expression("attribute_not_exists(pk)")).await? {
            WriteOutcome::Written(_) => Ok(None),
            WriteOutcome::ConditionFailed(existing) => Ok(existing.map(from_item)),
        }
    }
}

fn closings_partition(account: &PaymentAccountId) -> String {
    format!("CLOSINGS#{account}")
}

fn closing_key(account: &PaymentAccountId, day: &Day) -> Item {
    key(closings_partition(account), day)
}
