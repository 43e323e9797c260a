//! The closings of an account, one for each day on which it had transfers. A closing is never updated or deleted.

use dynamo::{Item, Transaction, TransactionOutcome, from_item, key, text};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, item};
use crate::domain::{Closing, Day, Digest, PaymentAccountId};

/// The sort key of [`ClosedUntil`], which sorts after all days.
const CLOSED_UNTIL: &str = "UNTIL";

/// A closing as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredClosing {
    #[serde(flatten)]
    pub closing: Closing,
    /// The digest of the closing, when it was written.
    pub digest: Digest,
}

/// The last closed day, which shows that later closings were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedUntil {
    day: Day,
    digest: Digest,
}

/// What a read of an item returns: `Err` if it can't be read.
type Readable<T> = Result<T, StoreError>;

impl StoredClosing {
    pub fn new(closing: Closing, account: &PaymentAccountId) -> Self {
        Self { digest: closing.digest(account), closing }
    }

    /// Whether the closing is as it was written.
    pub fn is_intact(&self, account: &PaymentAccountId) -> bool {
        self.closing.digest(account) == self.digest
    }
}

impl ClosedUntil {
    fn of(last: &StoredClosing) -> Self {
        Self { day: last.closing.day.clone(), digest: last.digest.clone() }
    }

    /// Whether this is the last closing.
    pub fn is_last(&self, closing: &StoredClosing) -> bool {
        closing.closing.day == self.day && closing.digest == self.digest
    }
}

impl Store {
    /// The last closed day and the newest closing of an account.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn latest_closing(
        &self,
        account: &PaymentAccountId,
    ) -> Result<(Option<ClosedUntil>, Option<Readable<StoredClosing>>), StoreError> {
        let query = self.table.client().query().table_name(self.table.name());
        let response = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(closings_partition(account)))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(2)
            .send()
            .await?;
        let is_closing = |item: &Item| item.get("sk") != Some(&text(CLOSED_UNTIL));
        let (closings, until): (Vec<_>, Vec<_>) = response.items.unwrap_or_default().into_iter().partition(is_closing);
        let until = until.into_iter().next().map(from_item).transpose()?;
        Ok((until, closings.into_iter().next().map(from_item)))
    }

    /// The closing of a day.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn closing(
        &self,
        account: &PaymentAccountId,
        day: &Day,
    ) -> Result<Option<Readable<StoredClosing>>, StoreError> {
        Ok(self.table.get(closing_key(account, day)).await?.map(from_item))
    }

    /// Writes the closing of a day, and makes the day the last closed one. Returns the closing that the day has already, if it
    /// has one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn put_closing(
        &self,
        account: &PaymentAccountId,
        closing: &StoredClosing,
    ) -> Result<Option<Readable<StoredClosing>>, StoreError> {
        let until = item(key(closings_partition(account), CLOSED_UNTIL), ClosedUntil::of(closing))?;
        let until = self.table.put(until, |put| {
            put.condition_expression("attribute_not_exists(pk) OR #day < :day")
                .expression_attribute_names("#day", "day")
                .expression_attribute_values(":day", text(&closing.closing.day))
        })?;
        let put = self.table.put_new(item(closing_key(account, &closing.closing.day), closing)?)?;
        let transaction = Transaction::new().with(Part::Closing, put).with(Part::Until, until);
        match self.table.commit(&transaction).await? {
            TransactionOutcome::Committed => Ok(None),
            TransactionOutcome::ConditionFailed(failed) => match failed.item(Part::Closing) {
                Some(existing) => Ok(Some(from_item(existing.clone()))),
                None => Ok(Some(Err(StoreError::internal("a later day is closed")))),
            },
            TransactionOutcome::Conflict => Err(StoreError::Unavailable("the day is being closed".to_owned())),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Closing,
    Until,
}

fn closings_partition(account: &PaymentAccountId) -> String {
    format!("CLOSINGS#{account}")
}

fn closing_key(account: &PaymentAccountId, day: &Day) -> Item {
    key(closings_partition(account), day)
}
