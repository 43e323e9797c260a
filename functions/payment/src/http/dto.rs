//! The data transfer objects of requests and responses.

use std::collections::BTreeSet;
use std::fmt;

use contact::{Email, Phone};
use kernel::{Amount, Balance, Currency, Timestamp};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::domain::{
    Account, AccountStatus, AccountType, Direction, FailureReason, Note, Payment, PaymentAccountId, PaymentMethod,
    PaymentReference, PaymentStatus, ProviderTransactionId, StatusChange, Transfer, TransferId, TransferStatus,
    TransferType, WriteShards,
};

/// An integer of minor units as a client sends it. Its range is checked by [`Amount`].
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct MinorUnits(pub(super) i64);

impl<'de> Deserialize<'de> for MinorUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Integer("an integer of minor units (10.50 USD is 1050)")).map(Self)
    }
}

/// A count as a client sends it. Its range is checked by the domain.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct Count(pub(super) i64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Integer("an integer")).map(Self)
    }
}

/// Deserializes an integer. The error for any other value says that this was expected.
struct Integer(&'static str);

impl Visitor<'_> for Integer {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<i64, E> {
        // A value that exceeds i64 is out of range for every domain type.
        Ok(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// A payment account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentAccount)]
pub(super) struct AccountBody<'a> {
    /// The same value as `paymentAccountId`.
    #[schema(value_type = PaymentAccountId)]
    id: &'a PaymentAccountId,
    #[schema(value_type = PaymentAccountId)]
    payment_account_id: &'a PaymentAccountId,
    payment_account_type: AccountType,
    user_id: kernel::UserId,
    currency: Currency,
    #[schema(value_type = Balance)]
    balance: i64,
    /// The amount that can be debited, in minor units.
    #[schema(minimum = 0)]
    available: i64,
    status: AccountStatus,
    /// The number of write shards that receive credits, which let the account receive concurrent transfers. Omitted if there
    /// are none. A busy account may be given some.
    #[serde(rename = "intakeShards", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 16)]
    write_shards: Option<u8>,
    created_at: Timestamp,
}

impl<'a> From<&'a Account> for AccountBody<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: &account.id,
            payment_account_id: &account.id,
            payment_account_type: account.kind,
            user_id: account.owner,
            currency: account.currency,
            balance: account.balance.minor(),
            available: account.available.max(0),
            status: account.status,
            write_shards: account.write_shards.map(WriteShards::count),
            created_at: account.created_at,
        }
    }
}

/// A transfer. It never changes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Transfer)]
pub(super) struct TransferBody<'a> {
    #[schema(value_type = TransferId)]
    id: String,
    #[serde(rename = "type")]
    kind: TransferType,
    #[schema(schema_with = statuses)]
    status: &'static str,
    /// Only if `status` is FAILED: the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = failure_codes, required = false)]
    failure_code: Option<&'static str>,
    /// The payer; null is an external account.
    #[schema(value_type = Option<PaymentAccountId>, required = true)]
    from_payment_account_id: Option<&'a PaymentAccountId>,
    /// The payee; null is an external account.
    #[schema(value_type = Option<PaymentAccountId>, required = true)]
    to_payment_account_id: Option<&'a PaymentAccountId>,
    amount: Amount,
    currency: Currency,
    #[schema(value_type = Option<Note>, required = true)]
    note: Option<&'a Note>,
    created_at: Timestamp,
    /// Only in a history: the direction, as seen by its reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    direction: Option<Direction>,
}

fn string_enum(values: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).build()
}

fn statuses() -> Object {
    let statuses = [TransferStatus::Completed, TransferStatus::Failed(FailureReason::InsufficientFunds)];
    string_enum(statuses.into_iter().map(Into::into))
}

fn failure_codes() -> Object {
    let codes: BTreeSet<_> = FailureReason::ALL.into_iter().map(FailureReason::code).collect();
    string_enum(codes.into_iter())
}

impl<'a> TransferBody<'a> {
    pub(super) fn with_direction(transfer: &'a Transfer, direction: Direction) -> Self {
        Self { direction: Some(direction), ..Self::from(transfer) }
    }
}

impl<'a> From<&'a Transfer> for TransferBody<'a> {
    fn from(transfer: &'a Transfer) -> Self {
        Self {
            id: transfer.id.to_string(),
            kind: transfer.posting.kind(),
            status: transfer.status.into(),
            failure_code: match transfer.status {
                TransferStatus::Completed => None,
                TransferStatus::Failed(reason) => Some(reason.code()),
            },
            from_payment_account_id: transfer.posting.from(),
            to_payment_account_id: transfer.posting.to(),
            amount: transfer.amount,
            currency: transfer.currency,
            note: transfer.note.as_ref(),
            created_at: transfer.created_at,
            direction: None,
        }
    }
}

/// A payment that a merchant requests from a customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
pub(super) struct PaymentBody<'a> {
    #[schema(value_type = PaymentReference)]
    reference: String,
    amount: Amount,
    currency: Currency,
    payment_method: PaymentMethod,
    #[schema(value_type = Phone)]
    customer_phone: &'a str,
    #[schema(value_type = Email)]
    customer_email: &'a str,
    status: PaymentStatus,
    provider_name: &'a str,
    /// The provider's id of the payment, once it is known.
    #[schema(value_type = Option<ProviderTransactionId>, required = true)]
    provider_transaction_id: Option<&'a ProviderTransactionId>,
    /// The account that is credited when the payment succeeds.
    #[schema(value_type = Option<PaymentAccountId>, required = true)]
    payment_account_id: Option<&'a PaymentAccountId>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The status changes, oldest first.
    #[schema(value_type = Vec<StatusChange>)]
    history: &'a [StatusChange],
}

impl<'a> From<&'a Payment> for PaymentBody<'a> {
    fn from(payment: &'a Payment) -> Self {
        Self {
            reference: payment.reference.to_string(),
            amount: payment.amount,
            currency: payment.currency,
            payment_method: payment.method,
            customer_phone: payment.customer_phone.as_str(),
            customer_email: payment.customer_email.as_str(),
            status: payment.status,
            provider_name: &payment.provider_name,
            provider_transaction_id: payment.provider_transaction_id.as_ref(),
            payment_account_id: payment.payment_account_id.as_ref(),
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            history: &payment.history,
        }
    }
}
