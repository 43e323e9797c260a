//! The item of a payment.

use contact::{Email, Phone};
use dynamo::{Item, key};
use kernel::{Amount, Currency, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::domain::{
    Cursor, Fingerprint, OperationId, Payment, PaymentAccountId, PaymentMethod, PaymentReference, PaymentStatus,
    ProviderTransactionId, StatusChange, Stored,
};
use crate::store::{StoreError, item};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentRecord {
    reference: PaymentReference,
    owner_id: UserId,
    amount: Amount,
    currency: Currency,
    payment_method: PaymentMethod,
    customer_phone: String,
    customer_email: String,
    status: PaymentStatus,
    provider_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_transaction_id: Option<ProviderTransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_account_id: Option<PaymentAccountId>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    history: Vec<StatusChange>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    /// With `owner_id`, the key of the index.
    #[serde(skip_deserializing)]
    order: String,
}

pub(in crate::store) fn payment_key(reference: PaymentReference) -> Item {
    key(format_args!("PAYMENT#{reference}"), "PAYMENT")
}

/// The key of a request that changed a payment.
pub(super) fn request_key(id: OperationId) -> Item {
    key(format_args!("IDEMPOTENCY#{id}"), "IDEMPOTENCY")
}

/// A request with an idempotency key that changed a payment's status.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransitionRecord {
    fingerprint: Fingerprint,
    reference: PaymentReference,
    /// The version of the payment after the change.
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_transaction_id: Option<ProviderTransactionId>,
}

impl TransitionRecord {
    pub(super) fn new(fingerprint: &Fingerprint, after: &Payment) -> Self {
        Self {
            fingerprint: fingerprint.clone(),
            reference: after.reference,
            version: after.version,
            provider_transaction_id: after.provider_transaction_id.clone(),
        }
    }

    /// The payment as it was after the change. If the key was used for another payment, the fingerprints differ.
    pub(super) fn stored(self, payment: Payment) -> Stored<Payment> {
        let value = payment.at_version(self.version, self.provider_transaction_id);
        Stored { value, fingerprint: Some(self.fingerprint) }
    }
}

pub(super) fn payment_item(payment: &Payment, fingerprint: Option<&Fingerprint>) -> Result<Item, StoreError> {
    let record = PaymentRecord {
        reference: payment.reference,
        owner_id: payment.owner,
        amount: payment.amount,
        currency: payment.currency,
        payment_method: payment.method,
        customer_phone: payment.customer_phone.as_str().to_owned(),
        customer_email: payment.customer_email.as_str().to_owned(),
        status: payment.status,
        provider_name: payment.provider_name.clone(),
        provider_transaction_id: payment.provider_transaction_id.clone(),
        payment_account_id: payment.payment_account_id.clone(),
        created_at: payment.created_at,
        updated_at: payment.updated_at,
        history: payment.history.clone(),
        version: payment.version,
        fingerprint: fingerprint.cloned(),
        order: Cursor::new(payment.created_at, payment.reference).to_string(),
    };
    item(payment_key(payment.reference), record)
}

impl PaymentRecord {
    pub(super) const fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }
}

impl From<PaymentRecord> for Payment {
    fn from(record: PaymentRecord) -> Self {
        Self {
            reference: record.reference,
            owner: record.owner_id,
            amount: record.amount,
            currency: record.currency,
            method: record.payment_method,
            customer_phone: Phone::from_stored(record.customer_phone),
            customer_email: Email::from_stored(record.customer_email, None),
            status: record.status,
            provider_name: record.provider_name,
            provider_transaction_id: record.provider_transaction_id,
            payment_account_id: record.payment_account_id,
            created_at: record.created_at,
            updated_at: record.updated_at,
            history: record.history,
            version: record.version,
        }
    }
}
