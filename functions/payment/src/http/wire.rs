//! What requests and answers look like on the wire.

use std::collections::BTreeSet;
use std::fmt;

use contact::{Email, Phone};
use kernel::{Amount, Balance, Currency, Timestamp};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::domain::{
    Account, AccountStatus, AccountType, Direction, IntakeShards, Note, Payment, PaymentAccountId, PaymentMethod,
    PaymentReference, PaymentStatus, ProviderTransactionId, Refusal, Step, Transfer, TransferId, TransferStatus,
    TransferType,
};

/// An integer of minor units as a client sends it. Whether it is an amount, the domain decides.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct MinorUnits(pub(super) i64);

impl<'de> Deserialize<'de> for MinorUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Integer("an integer of minor units (10.50 USD is 1050)")).map(Self)
    }
}

/// How many of something, as a client sends it. Whether there may be so many, the domain decides.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct Count(pub(super) i64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Integer("an integer")).map(Self)
    }
}

/// Reads an integer, and says of anything else that it should be this.
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
        // Beyond what there may be of anything; the domain refuses it with its own words.
        Ok(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// A payment account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentAccount)]
pub(super) struct AccountBody<'a> {
    /// The same as `paymentAccountId`.
    #[schema(value_type = PaymentAccountId)]
    id: &'a PaymentAccountId,
    #[schema(value_type = PaymentAccountId)]
    payment_account_id: &'a PaymentAccountId,
    payment_account_type: AccountType,
    user_id: kernel::UserId,
    currency: Currency,
    #[schema(value_type = Balance)]
    balance: i64,
    /// What may leave, in minor units.
    #[schema(minimum = 0)]
    available: i64,
    status: AccountStatus,
    /// Into how many shards, beside its own item, the account takes in money.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 16)]
    intake_shards: Option<u8>,
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
            intake_shards: account.intake_shards.map(IntakeShards::count),
            created_at: account.created_at,
        }
    }
}

/// A movement of money. It never changes.
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
    /// Why the money did not move, where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = failure_codes, required = false)]
    failure_code: Option<&'static str>,
    /// The account that pays; null is the outside.
    #[schema(value_type = Option<PaymentAccountId>, required = true)]
    from_payment_account_id: Option<&'a PaymentAccountId>,
    /// The account that receives; null is the outside.
    #[schema(value_type = Option<PaymentAccountId>, required = true)]
    to_payment_account_id: Option<&'a PaymentAccountId>,
    amount: Amount,
    currency: Currency,
    #[schema(value_type = Option<Note>, required = true)]
    note: Option<&'a Note>,
    created_at: Timestamp,
    /// In a history: which way the money went, as its reader sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    direction: Option<Direction>,
}

fn one_of(words: impl Iterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

fn statuses() -> Object {
    let statuses = [TransferStatus::Completed, TransferStatus::Failed(Refusal::InsufficientFunds)];
    one_of(statuses.into_iter().map(TransferStatus::as_str))
}

fn failure_codes() -> Object {
    let codes: BTreeSet<_> = Refusal::ALL.into_iter().map(Refusal::code).collect();
    one_of(codes.into_iter())
}

impl<'a> TransferBody<'a> {
    pub(super) fn directed(transfer: &'a Transfer, direction: Direction) -> Self {
        Self { direction: Some(direction), ..Self::from(transfer) }
    }
}

impl<'a> From<&'a Transfer> for TransferBody<'a> {
    fn from(transfer: &'a Transfer) -> Self {
        Self {
            id: transfer.id.to_string(),
            kind: transfer.posting.kind(),
            status: transfer.status.as_str(),
            failure_code: match transfer.status {
                TransferStatus::Completed => None,
                TransferStatus::Failed(refusal) => Some(refusal.code()),
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

/// Money that a merchant asks of a customer.
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
    /// The provider's own id of it, once it is known.
    #[schema(value_type = Option<ProviderTransactionId>, required = true)]
    provider_transaction_id: Option<&'a ProviderTransactionId>,
    /// The account that a success credits, if one does.
    #[schema(value_type = Option<PaymentAccountId>, required = true)]
    payment_account_id: Option<&'a PaymentAccountId>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// How it came to be what it is, oldest first.
    #[schema(value_type = Vec<Step>)]
    history: &'a [Step],
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
