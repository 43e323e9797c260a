//! The stored account.

use dynamo::{Item, from_item, key};
use kernel::{Balance, Currency, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::domain::{
    Account, AccountRevocation, AccountState, AccountStatus, AccountType, Fingerprint, PaymentAccountId, WriteShards,
};
use crate::store::StoreError;

/// An account, and the account of a keyed request as it was when it was opened.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::store) struct AccountRecord {
    pub(in crate::store) id: PaymentAccountId,
    pub(in crate::store) owner_id: UserId,
    #[serde(rename = "type")]
    pub(in crate::store) kind: AccountType,
    pub(in crate::store) currency: Currency,
    pub(in crate::store) status: AccountStatus,
    pub(in crate::store) balance: i64,
    pub(in crate::store) available: i64,
    pub(in crate::store) headroom: i64,
    #[serde(rename = "intakeShards", skip_serializing_if = "Option::is_none")]
    pub(in crate::store) write_shards: Option<WriteShards>,
    pub(in crate::store) created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::store) fingerprint: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::store) owner_epoch: Option<u64>,
    /// A set is never empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "serde_dynamo::string_set::serialize")]
    pub(in crate::store) revoked_sessions: Vec<String>,
    /// The version of the owner's ended sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::store) fence_version: Option<u64>,
    /// In Unix seconds. Tokens of the owner that were issued earlier are revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::store) tokens_not_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::store) drawn: Option<Vec<i64>>,
}

pub(in crate::store) fn account_partition(id: impl std::fmt::Display) -> String {
    format!("ACCOUNT#{id}")
}

pub(in crate::store) fn account_key(id: impl std::fmt::Display) -> Item {
    key(account_partition(id), "ACCOUNT")
}

impl AccountRecord {
    pub(in crate::store) fn state(item: &Item) -> Result<AccountState, StoreError> {
        from_item::<Self>(item.clone())?.try_into()
    }

    /// The drained part of each shard's `received`, if the account has shards.
    pub(in crate::store) fn drawn(&self) -> Option<&[i64]> {
        self.drawn.as_deref()
    }
}

impl From<&Account> for AccountRecord {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.clone(),
            owner_id: account.owner,
            kind: account.kind,
            currency: account.currency,
            status: account.status,
            balance: account.balance.minor(),
            available: account.available,
            headroom: account.headroom,
            write_shards: account.write_shards,
            created_at: account.created_at,
            fingerprint: None,
            owner_epoch: None,
            revoked_sessions: Vec::new(),
            fence_version: None,
            tokens_not_before: None,
            drawn: None,
        }
    }
}

impl TryFrom<AccountRecord> for AccountState {
    type Error = StoreError;

    fn try_from(record: AccountRecord) -> Result<Self, StoreError> {
        let balance = Balance::from_minor(record.balance)
            .map_err(|error| StoreError::internal(format_args!("ACCOUNT#{}: {error}", record.id)))?;
        // The account of a keyed request is stored without `drawn`.
        let drawn = record.drawn.and_then(|drawn| u8::try_from(drawn.len()).ok());
        let account = Account {
            id: record.id,
            owner: record.owner_id,
            kind: record.kind,
            currency: record.currency,
            status: record.status,
            balance,
            available: record.available,
            headroom: record.headroom,
            write_shards: record.write_shards,
            opened_shards: drawn.or(record.write_shards.map(WriteShards::count)),
            created_at: record.created_at,
        };
        let revocation = AccountRevocation {
            owner_epoch: record.owner_epoch.unwrap_or_default(),
            revoked_sessions: record.revoked_sessions,
            tokens_not_before: record.tokens_not_before.unwrap_or_default(),
        };
        Ok(Self { account, revocation })
    }
}
