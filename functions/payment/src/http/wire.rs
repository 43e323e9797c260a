//! What requests and answers look like on the wire.

use std::fmt;

use kernel::{Amount, Currency, Timestamp};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{
    Account, AccountStatus, AccountType, Direction, Note, PaymentAccountId, Transfer, TransferStatus, TransferType,
};

/// An integer of minor units as a client sends it. Whether it is an amount, the domain decides.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct MinorUnits(pub(super) i64);

impl<'de> Deserialize<'de> for MinorUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Integer;
        impl Visitor<'_> for Integer {
            type Value = MinorUnits;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer of minor units (10.50 USD is 1050)")
            }
            fn visit_i64<E>(self, value: i64) -> Result<MinorUnits, E> {
                Ok(MinorUnits(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<MinorUnits, E> {
                // Beyond what any amount may be; the domain refuses it with its own words.
                Ok(MinorUnits(i64::try_from(value).unwrap_or(i64::MAX)))
            }
        }
        deserializer.deserialize_i64(Integer)
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountBody<'a> {
    id: &'a PaymentAccountId,
    payment_account_id: &'a PaymentAccountId,
    payment_account_type: AccountType,
    user_id: kernel::UserId,
    currency: Currency,
    balance: i64,
    available: i64,
    status: AccountStatus,
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
            created_at: account.created_at,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransferBody<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: TransferType,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<&'static str>,
    from_payment_account_id: Option<&'a PaymentAccountId>,
    to_payment_account_id: Option<&'a PaymentAccountId>,
    amount: Amount,
    currency: Currency,
    note: Option<&'a Note>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
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
