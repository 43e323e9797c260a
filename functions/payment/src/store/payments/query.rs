//! Reading and listing payments.

use dynamo::{Item, from_item, text};
use kernel::UserId;

use super::record::{PaymentRecord, payment_key};
use crate::domain::{Payment, PaymentReference, PaymentStatus, Replica};
use crate::store::pagination::{Filter, Page, PageRange, Partition};
use crate::store::users::record::{user_among, user_key};
use crate::store::{Store, StoreError, with_sort_key};

impl Store {
    /// Finds a payment, together with the user who reads it, if it is theirs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn payment_and_user(
        &self,
        reference: PaymentReference,
        reader: UserId,
    ) -> Result<(Option<Payment>, Replica), StoreError> {
        let items = self.table.batch_get(vec![payment_key(reference), user_key(reader)]).await?;
        Ok((payment_among(&items, reader)?, user_among(&items)?))
    }

    /// Lists the payments of a user, of one status or of all. A filtered page can have fewer entries than its limit and
    /// still not be the last. The index is eventually consistent
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes>).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn list_payments(
        &self,
        owner: UserId,
        status: Option<PaymentStatus>,
        range: &PageRange,
    ) -> Result<Page<Payment>, StoreError> {
        let partition = Partition { index: "byOwner", key: "ownerId", value: owner.to_string() };
        let read = |item| Ok(from_item::<PaymentRecord>(item)?.into());
        match status {
            None => self.merged_page(vec![partition], range, read).await,
            Some(status) => {
                let filter = Filter { attribute: "status", value: text(status) };
                self.filtered_page(partition, filter, range, read).await
            }
        }
    }
}

pub(super) fn payment_among(items: &[Item], owner: UserId) -> Result<Option<Payment>, StoreError> {
    let record = with_sort_key(items, "PAYMENT").cloned().map(from_item::<PaymentRecord>).transpose()?;
    Ok(record.map(Payment::from).filter(|payment| payment.owner == owner))
}
