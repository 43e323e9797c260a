//! Payment accounts.

use std::fmt;
use std::ops::Range;

use kernel::{Amount, Balance, Currency, MAX_AMOUNT_MINOR, Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize};
use strum::Display;
use utoipa::ToSchema;

use super::{AccountRevocation, OperationId, Posting, TransferType, WriteShards};

/// The id of a payment account, chosen by the client that opens it, or generated. In lower case: ids are compared without
/// regard to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$", example = "ada-main")]
pub struct PaymentAccountId(String);

/// The text is not a valid id of a payment account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of the characters A-Z a-z 0-9 _ . - and begin with a letter or digit")]
pub struct InvalidAccountId;

impl PaymentAccountId {
    /// # Errors
    ///
    /// [`InvalidAccountId`] if the text is empty, longer than 64 characters, or has other characters than
    /// `A-Z a-z 0-9 _ . -`.
    pub fn parse(text: &str) -> Result<Self, InvalidAccountId> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let starts_alphanumeric = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if starts_alphanumeric && text.len() <= 64 && text.bytes().all(is_allowed) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidAccountId)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<OperationId> for PaymentAccountId {
    fn from(id: OperationId) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for PaymentAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PaymentAccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The type of an account, which sets the range of its balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum AccountType {
    /// The balance is never negative.
    Debit,
    /// The balance is at least minus the credit limit.
    Credit,
    /// Opens with a balance of minus the principal. It only receives money, until the balance is zero.
    Loan,
}

/// Whether money can move in and out of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum AccountStatus {
    Active,
    /// No money moves in or out until an operator unfreezes the account.
    Frozen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: PaymentAccountId,
    pub owner: UserId,
    pub kind: AccountType,
    pub currency: Currency,
    pub status: AccountStatus,
    pub balance: Balance,
    /// The balance plus the credit limit, in minor units. Negative for a loan, which can't be debited.
    pub available: i64,
    /// The amount that the account can still receive, in minor units; if it has write shards, without theirs.
    pub headroom: i64,
    /// The write shards that receive credits.
    pub write_shards: Option<WriteShards>,
    /// The number of write shards that exist, which is at least that of those that receive credits: a shard that no longer
    /// receives any keeps its balance until it is drained. `None` if the number was never set.
    pub opened_shards: Option<u8>,
    pub created_at: Timestamp,
}

/// The write shards to open so that an account has a certain number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShards {
    pub numbers: Range<u8>,
    /// The amount that each can receive over its lifetime, in minor units. It is taken from the headroom of the account.
    pub headroom: i64,
}

impl NewShards {
    /// Shards that reserve half of the maximum balance, whatever the account's own balance.
    pub fn of_limit(shards: WriteShards) -> Self {
        let count = shards.count();
        Self { numbers: 0..count, headroom: shard_headroom(MAX_AMOUNT_MINOR, count) }
    }

    /// The headroom of all of them.
    pub fn total_headroom(&self) -> i64 {
        self.headroom * i64::from(self.count())
    }

    pub const fn count(&self) -> u8 {
        self.numbers.end.saturating_sub(self.numbers.start)
    }
}

/// An account and the revocation state of its owner's tokens, which are stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    pub account: Account,
    pub revocation: AccountRevocation,
}

/// The type-specific parameters of a new account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewAccount {
    Debit {
        /// An opening deposit from an external account.
        deposit: Option<Amount>,
        write_shards: Option<WriteShards>,
    },
    Credit {
        limit: Amount,
    },
    Loan {
        principal: Amount,
        /// The account that receives the principal.
        disburse_to: PaymentAccountId,
    },
}

impl NewAccount {
    pub const fn kind(&self) -> AccountType {
        match self {
            Self::Debit { .. } => AccountType::Debit,
            Self::Credit { .. } => AccountType::Credit,
            Self::Loan { .. } => AccountType::Loan,
        }
    }

    /// The money that the account lends to its owner: the credit limit or the principal.
    pub const fn credit(&self) -> Option<Amount> {
        match self {
            Self::Debit { .. } => None,
            Self::Credit { limit } => Some(*limit),
            Self::Loan { principal, .. } => Some(*principal),
        }
    }

    pub fn opening_balance(&self) -> Balance {
        match self {
            Self::Debit { deposit, .. } => deposit.map(Balance::from).unwrap_or_default(),
            Self::Credit { .. } => Balance::ZERO,
            Self::Loan { principal, .. } => Balance::owing(*principal),
        }
    }

    /// The transfer that opens the account: the opening deposit, or the disbursement of the principal.
    pub fn opening_transfer(&self, id: &PaymentAccountId) -> Option<(Posting, Amount)> {
        match self {
            Self::Debit { deposit, .. } => deposit.map(|amount| (Posting::Deposit { to: id.clone() }, amount)),
            Self::Credit { .. } => None,
            Self::Loan { principal, disburse_to } => {
                let (from, to) = (id.clone(), disburse_to.clone());
                Some((Posting::Internal { from, to, kind: TransferType::Disbursement }, *principal))
            }
        }
    }

    const fn write_shards(&self) -> Option<WriteShards> {
        match self {
            Self::Debit { write_shards, .. } => *write_shards,
            Self::Credit { .. } | Self::Loan { .. } => None,
        }
    }

    /// Creates the account. From then on `available` and `headroom` change with the balance.
    pub fn open(&self, id: PaymentAccountId, owner: UserId, currency: Currency, now: Timestamp) -> Account {
        let balance = self.opening_balance();
        let (min_balance, max_balance) = match self {
            Self::Debit { .. } => (0, MAX_AMOUNT_MINOR),
            // `available`, which includes the credit limit, does not exceed the maximum either.
            Self::Credit { limit } => (-limit.minor(), MAX_AMOUNT_MINOR - limit.minor()),
            Self::Loan { .. } => (0, 0),
        };
        let headroom = max_balance - balance.minor();
        let write_shards = self.write_shards();
        let of_shards =
            write_shards.map_or(0, |shards| i64::from(shards.count()) * shard_headroom(headroom, shards.count()));
        Account {
            id,
            owner,
            kind: self.kind(),
            currency,
            status: AccountStatus::Active,
            balance,
            available: balance.minor() - min_balance,
            headroom: headroom - of_shards,
            write_shards,
            opened_shards: write_shards.map(WriteShards::count),
            created_at: now,
        }
    }
}

impl Account {
    /// The amount that each write shard of a new account can receive over its lifetime, in minor units. The balance, the
    /// headroom and that of every shard always sum to the maximum balance, so the account can't exceed it.
    pub fn shard_headroom(&self) -> i64 {
        let headroom = MAX_AMOUNT_MINOR - self.balance.minor();
        self.write_shards.map_or(0, |shards| shard_headroom(headroom, shards.count()))
    }

    /// The shards to open so that this many exist. They take half of the account's headroom, so the sum of the balance, the
    /// headroom and that of every shard remains the maximum balance.
    pub fn new_shards(&self, shards: Option<WriteShards>) -> NewShards {
        let opened = self.opened_shards.unwrap_or_default();
        let numbers = opened..shards.map_or(0, WriteShards::count).max(opened);
        let count = numbers.end - opened;
        NewShards { numbers, headroom: if count == 0 { 0 } else { shard_headroom(self.headroom, count) } }
    }
}

/// Half of the headroom, split between the shards.
fn shard_headroom(headroom: i64, shards: u8) -> i64 {
    headroom / 2 / i64::from(shards)
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    fn open(new: &NewAccount) -> Account {
        new.open(
            PaymentAccountId::parse("a").unwrap(),
            UserId::random(&SeededRandom::new(1)),
            Currency::parse("USD").unwrap(),
            Timestamp::from_unix_seconds(0).unwrap(),
        )
    }

    fn opened(new: &NewAccount) -> (i64, i64, i64) {
        let account = open(new);
        (account.balance.minor(), account.available, account.headroom)
    }

    fn amount(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn new_account_has_the_limits_of_its_type() {
        let debit = |deposit, write_shards| opened(&NewAccount::Debit { deposit, write_shards });
        assert_eq!(debit(None, None), (0, 0, MAX_AMOUNT_MINOR));
        assert_eq!(debit(Some(amount(70)), None), (70, 70, MAX_AMOUNT_MINOR - 70));
        // An eighth of half of 2^53 - 1 is 2^49 - 1, rounded down.
        let of_shards = 8 * ((1 << 49) - 1);
        assert_eq!(debit(None, WriteShards::new(8).ok()), (0, 0, MAX_AMOUNT_MINOR - of_shards));
        assert_eq!(opened(&NewAccount::Credit { limit: amount(500) }), (0, 500, MAX_AMOUNT_MINOR - 500));
        assert_eq!(opened(&NewAccount::Credit { limit: amount(MAX_AMOUNT_MINOR) }), (0, MAX_AMOUNT_MINOR, 0));
        let disburse_to = PaymentAccountId::parse("b").unwrap();
        assert_eq!(opened(&NewAccount::Loan { principal: amount(900), disburse_to }), (-900, -900, 900));
    }

    #[test]
    fn new_shards_take_half_of_the_headroom() {
        let debit = NewAccount::Debit { deposit: Some(amount(70)), write_shards: None };
        let account = open(&debit);
        let shards = |account: &Account, count| account.new_shards(WriteShards::new(count).ok());
        assert_eq!(shards(&account, 0), NewShards { numbers: 0..0, headroom: 0 });
        assert_eq!(shards(&account, 4), NewShards { numbers: 0..4, headroom: (MAX_AMOUNT_MINOR - 70) / 8 });
        let account = Account { headroom: 1001, opened_shards: Some(4), ..account };
        assert_eq!(shards(&account, 2), NewShards { numbers: 4..4, headroom: 0 });
        assert_eq!(shards(&account, 9), NewShards { numbers: 4..9, headroom: 100 });
        assert_eq!(shards(&account, 9).total_headroom(), 500);
    }

    #[test]
    fn account_id_is_compared_without_regard_to_case() {
        assert_eq!(PaymentAccountId::parse("Shop-X").unwrap(), PaymentAccountId::parse("shop-x").unwrap());
    }

    #[test]
    fn account_id_with_reserved_characters_is_rejected() {
        for valid in ["a", "main", "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "Ada.savings_2"] {
            assert!(PaymentAccountId::parse(valid).is_ok(), "{valid}");
        }
        let long = "a".repeat(65);
        for invalid in ["", "-a", ".a", "external:USD", "a b", "a/b", "a#b", "ä", &long] {
            assert!(PaymentAccountId::parse(invalid).is_err(), "{invalid}");
        }
    }
}
