//! Payment accounts.

use std::fmt;

use kernel::{Amount, Balance, Currency, MAX_AMOUNT_MINOR, Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{IntakeShards, Posting, TransferType};

/// The id of a payment account: chosen by the client that opens it, or made for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$", example = "ada-main")]
pub struct PaymentAccountId(String);

/// The text cannot be the id of a payment account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of the characters A-Z a-z 0-9 _ . - and begin with a letter or digit")]
pub struct InvalidAccountId;

impl PaymentAccountId {
    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`InvalidAccountId`] if it is empty, longer than 64, or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidAccountId> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let begins_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if begins_well && text.len() <= 64 && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountId)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<uuid::Uuid> for PaymentAccountId {
    fn from(id: uuid::Uuid) -> Self {
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

/// What kind of account it is: how far it may go below zero, and how far above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountType {
    /// Never below zero.
    Debit,
    /// Down to minus its credit limit.
    Credit,
    /// Opens owing its principal; money only flows in, and never past zero.
    Loan,
}

impl AccountType {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "DEBIT",
            Self::Credit => "CREDIT",
            Self::Loan => "LOAN",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Debit, Self::Credit, Self::Loan].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether money may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountStatus {
    /// It may.
    Active,
    /// It may not, in or out, until an operator says otherwise.
    Frozen,
}

impl AccountStatus {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Frozen => "FROZEN",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Frozen].into_iter().find(|status| status.as_str() == text)
    }
}

/// A payment account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: PaymentAccountId,
    /// Whose it is.
    pub owner: UserId,
    /// Its kind.
    pub kind: AccountType,
    /// The currency of everything in it.
    pub currency: Currency,
    /// Whether money may move.
    pub status: AccountStatus,
    /// What it holds, in minor units; negative when it owes.
    pub balance: Balance,
    /// What may leave, in minor units: the balance and the credit limit together. Below zero for a loan, where nothing
    /// may leave.
    pub available: i64,
    /// What may still enter, in minor units. Where there are shards, the account's own part of it.
    pub headroom: i64,
    /// Where it takes in money beside its own item, if it is one that many pay at once.
    pub intake_shards: Option<IntakeShards>,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// What an account opens with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewAccount {
    /// A DEBIT account, with an opening deposit if one is named.
    Debit {
        /// From the outside.
        deposit: Option<Amount>,
        /// Where it takes in money beside its own item, if many are to pay it at once.
        intake_shards: Option<IntakeShards>,
    },
    /// A CREDIT account.
    Credit {
        /// How far below zero it may go.
        limit: Amount,
    },
    /// A LOAN account.
    Loan {
        /// What is lent, and owed from the start.
        principal: Amount,
        /// The account that receives the principal.
        disburse_to: PaymentAccountId,
    },
}

impl NewAccount {
    /// Its kind.
    pub const fn kind(&self) -> AccountType {
        match self {
            Self::Debit { .. } => AccountType::Debit,
            Self::Credit { .. } => AccountType::Credit,
            Self::Loan { .. } => AccountType::Loan,
        }
    }

    /// What it holds once it is open.
    pub fn opening_balance(&self) -> Balance {
        match self {
            Self::Debit { deposit, .. } => deposit.map(Balance::from).unwrap_or_default(),
            Self::Credit { .. } => Balance::ZERO,
            Self::Loan { principal, .. } => Balance::owing(*principal),
        }
    }

    /// What moves as it opens, if anything does.
    pub fn opening_transfer(&self, id: &PaymentAccountId) -> Option<(Posting, Amount)> {
        match self {
            Self::Debit { deposit, .. } => deposit.map(|amount| (Posting::Deposit { to: id.clone() }, amount)),
            Self::Credit { .. } => None,
            Self::Loan { principal, disburse_to } => {
                let (from, to) = (id.clone(), disburse_to.clone());
                Some((Posting::Between { from, to, kind: TransferType::Disbursement }, *principal))
            }
        }
    }

    /// Its shards.
    const fn intake_shards(&self) -> Option<IntakeShards> {
        match self {
            Self::Debit { intake_shards, .. } => *intake_shards,
            Self::Credit { .. } | Self::Loan { .. } => None,
        }
    }

    /// The opened account. `available` and `headroom` start from here and then move with the balance.
    pub fn open(&self, id: PaymentAccountId, owner: UserId, currency: Currency, now: Timestamp) -> Account {
        let balance = self.opening_balance();
        let (floor, ceiling) = match self {
            Self::Debit { .. } => (0, MAX_AMOUNT_MINOR),
            Self::Credit { limit } => (-limit.minor(), MAX_AMOUNT_MINOR),
            Self::Loan { .. } => (0, 0),
        };
        let room = ceiling - balance.minor();
        let intake_shards = self.intake_shards();
        let of_shards = intake_shards.map_or(0, |shards| i64::from(shards.count()) * shard_headroom(room, shards));
        Account {
            id,
            owner,
            kind: self.kind(),
            currency,
            status: AccountStatus::Active,
            balance,
            available: balance.minor() - floor,
            headroom: room - of_shards,
            intake_shards,
            created_at: now,
        }
    }
}

impl Account {
    /// What may enter each of its shards in all its life, in minor units, as it opens. Balance, headroom and this of every
    /// shard sum to the most that an account may hold; so they do ever after, and it never holds more.
    pub fn shard_headroom(&self) -> i64 {
        let room = MAX_AMOUNT_MINOR - self.balance.minor();
        self.intake_shards.map_or(0, |shards| shard_headroom(room, shards))
    }
}

/// The shards' part of the room, half of it, between them.
fn shard_headroom(room: i64, shards: IntakeShards) -> i64 {
    room / 2 / i64::from(shards.count())
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    fn opened(new: &NewAccount) -> (i64, i64, i64) {
        let account = new.open(
            PaymentAccountId::parse("a").unwrap(),
            UserId::random(&SeededRandom::new(1)),
            Currency::parse("USD").unwrap(),
            Timestamp::from_unix_seconds(0).unwrap(),
        );
        (account.balance.minor(), account.available, account.headroom)
    }

    fn amount(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn each_kind_opens_with_what_may_leave_and_enter() {
        let debit = |deposit, intake_shards| opened(&NewAccount::Debit { deposit, intake_shards });
        assert_eq!(debit(None, None), (0, 0, MAX_AMOUNT_MINOR));
        assert_eq!(debit(Some(amount(70)), None), (70, 70, MAX_AMOUNT_MINOR - 70));
        // Of 2^53 - 1 an eighth of the half is 2^49 - 1, rounded down.
        let in_shards = 8 * ((1 << 49) - 1);
        assert_eq!(debit(None, IntakeShards::new(8).ok()), (0, 0, MAX_AMOUNT_MINOR - in_shards));
        assert_eq!(opened(&NewAccount::Credit { limit: amount(500) }), (0, 500, MAX_AMOUNT_MINOR));
        let disburse_to = PaymentAccountId::parse("b").unwrap();
        assert_eq!(opened(&NewAccount::Loan { principal: amount(900), disburse_to }), (-900, -900, 900));
    }

    #[test]
    fn an_account_id_cannot_pass_for_a_side_outside_or_for_a_key() {
        for good in ["a", "main", "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "Ada.savings_2"] {
            assert!(PaymentAccountId::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", "-a", ".a", "external:USD", "a b", "a/b", "a#b", "ä", &long] {
            assert!(PaymentAccountId::parse(bad).is_err(), "{bad}");
        }
    }
}
