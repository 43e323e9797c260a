//! Reading and listing payments.

use dynamo::from_item;
use futures_util::future::try_join_all;
use kernel::UserId;
use strum::VariantArray;

use super::record::{PaymentRecord, owner_status, payment_key};
use crate::domain::{Payment, PaymentReference, PaymentStatus};
use crate::store::pagination::{Page, PageRange, Partition, merge};
use crate::store::{Store, StoreError};

impl Store {
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn payment(&self, reference: PaymentReference, owner: UserId) -> Result<Option<Payment>, StoreError> {
        let record = self.table.get(payment_key(reference)).await?.map(from_item::<PaymentRecord>).transpose()?;
        Ok(record.map(Payment::from).filter(|payment| payment.owner == owner))
    }

    /// Lists the payments of a user, of one status or of all.
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
        let statuses = status.map_or_else(|| PaymentStatus::VARIANTS.to_vec(), |status| vec![status]);
        let partitions: Vec<String> = statuses.into_iter().map(|status| owner_status(owner, status)).collect();
        let newest = try_join_all(
            partitions
                .iter()
                .map(|value| self.query_desc(Partition { index: "byOwnerStatus", key: "ownerStatus", value }, range)),
        );
        merge(newest.await?, range.limit, |item| Ok(from_item::<PaymentRecord>(item)?.into()))
    }
}
