//! What the audit of the ledger checks, and what it finds.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use kernel::{Currency, MAX_AMOUNT_MINOR};
use serde::Serialize;
use strum::Display;

use super::AccountType;

/// The maximum number of transfers whose every combination is tried. There are 4,096 combinations.
const MAX_COMBINED: usize = 12;

/// The amounts of an account and of its write shards, as they are stored, in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPosition {
    pub kind: AccountType,
    pub currency: Currency,
    /// Without that of the write shards.
    pub balance: i64,
    pub available: i64,
    pub headroom: i64,
    /// The drained part of what each shard received.
    pub drawn: Vec<i64>,
    /// In the order of their numbers.
    pub shards: Vec<ShardPosition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPosition {
    pub number: usize,
    pub currency: Currency,
    pub received: i64,
    pub headroom: i64,
}

impl LedgerPosition {
    /// The balance with that of the write shards.
    pub fn total_balance(&self) -> i128 {
        i128::from(self.balance) + self.undrained()
    }

    fn undrained(&self) -> i128 {
        let received: i128 = self.shards.iter().map(|shard| i128::from(shard.received)).sum();
        let drawn: i128 = self.drawn.iter().map(|drawn| i128::from(*drawn)).sum();
        received - drawn
    }

    /// The rule that the amounts violate, if there is one.
    pub fn violation(&self) -> Option<&'static str> {
        if !self.shards.iter().map(|shard| shard.number).eq(0..self.drawn.len()) {
            return Some("the write shards are not those that were opened");
        }
        if self.shards.iter().any(|shard| shard.currency != self.currency) {
            return Some("a write shard has another currency than the account");
        }
        if self.shards.iter().zip(&self.drawn).any(|(shard, drawn)| !(0..=shard.received).contains(drawn)) {
            return Some("more was drained from a write shard than it received");
        }
        if self.headroom < 0 || self.shards.iter().any(|shard| shard.headroom < 0) {
            return Some("headroom is negative");
        }
        if self.kind != AccountType::Debit && !self.drawn.is_empty() {
            return Some("only a DEBIT account can have write shards");
        }
        if self.kind != AccountType::Loan && self.available < 0 {
            return Some("available is negative");
        }
        let max = i128::from(MAX_AMOUNT_MINOR);
        let [available, balance, headroom] = [self.available, self.balance, self.headroom].map(i128::from);
        let of_shards: i128 = self.shards.iter().map(|shard| i128::from(shard.headroom)).sum();
        match self.kind {
            AccountType::Debit | AccountType::Loan if available != balance => Some("available is not the balance"),
            AccountType::Debit if balance + headroom + self.undrained() + of_shards != max => {
                Some("balance and headroom do not sum to the maximum balance")
            }
            AccountType::Credit if available < balance => Some("available is less than the balance"),
            AccountType::Credit if available + headroom != max => {
                Some("available and headroom do not sum to the maximum balance")
            }
            AccountType::Loan if balance + headroom != 0 => Some("headroom is not the debt"),
            AccountType::Debit | AccountType::Credit | AccountType::Loan => None,
        }
    }
}

/// Whether a balance may differ by this amount from the sum of the transfers that were read before it. `amounts` are those
/// of the transfers that were found later: any of them may be included in the balance. Of more than [`MAX_COMBINED`] only the
/// range of the sums is considered.
pub fn explains(difference: i128, amounts: &[i64]) -> bool {
    if amounts.len() <= MAX_COMBINED {
        let mut sums = HashSet::from([0]);
        for amount in amounts {
            let with: Vec<i128> = sums.iter().map(|sum| sum + i128::from(*amount)).collect();
            sums.extend(with);
        }
        return sums.contains(&difference);
    }
    let sum_of = |sign: i64| -> i128 {
        amounts.iter().filter(|amount| amount.signum() == sign).map(|amount| i128::from(*amount)).sum()
    };
    (sum_of(-1)..=sum_of(1)).contains(&difference)
}

/// The kind of a difference between the journal and the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingKind {
    /// The balance is not the sum of the transfers.
    BalanceMismatch,
    /// The balance, the available amount and the headroom contradict each other.
    PositionInvalid,
    /// The account, one of its write shards or one of its transfers can't be read.
    ItemMalformed,
    /// A transfer names an account that does not exist, or that has another currency.
    CounterpartyMissing,
    /// A user or a transfer names the account, which does not exist.
    AccountMissing,
    /// A closed day was changed: its transfers or its closing.
    ClosingChanged,
    /// The audit of the account failed, and is tried again by the next pass.
    NotAudited,
}

impl FindingKind {
    /// Whether the account is frozen, or its shards if it is missing itself. The other kinds say nothing about the account.
    pub const fn freezes(self) -> bool {
        !matches!(self, Self::CounterpartyMissing | Self::NotAudited)
    }
}

/// A difference between the journal and an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub kind: FindingKind,
    /// The id, also if it is malformed.
    #[serde(rename = "paymentAccountId")]
    pub account: String,
    /// What the first difference of this kind is.
    pub detail: String,
    /// The ids of the transfers that it may be about, at most 100.
    pub transfers: Vec<String>,
}

impl Finding {
    /// A finding that names no transfers.
    pub fn new(kind: FindingKind, account: &impl fmt::Display, detail: &str) -> Self {
        Self { kind, account: account.to_string(), detail: detail.to_owned(), transfers: Vec::new() }
    }
}

/// The ids of the newest of many transfers.
#[derive(Debug, Clone, Default)]
pub struct NewestIds(VecDeque<String>);

impl NewestIds {
    pub const CAPACITY: usize = 100;

    /// Adds an id, and forgets the oldest if there are too many.
    pub fn add(&mut self, id: &str) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(id.to_owned());
    }
}

impl IntoIterator for NewestIds {
    type Item = String;
    type IntoIter = std::collections::vec_deque::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<NewestIds> for Vec<String> {
    fn from(ids: NewestIds) -> Self {
        ids.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: i64 = MAX_AMOUNT_MINOR;

    fn usd() -> Currency {
        Currency::parse("USD").unwrap()
    }

    fn shard(number: usize, received: i64, headroom: i64) -> ShardPosition {
        ShardPosition { number, currency: usd(), received, headroom }
    }

    fn position(kind: AccountType, balance: i64, available: i64, headroom: i64) -> LedgerPosition {
        LedgerPosition { kind, currency: usd(), balance, available, headroom, drawn: Vec::new(), shards: Vec::new() }
    }

    fn sharded() -> LedgerPosition {
        LedgerPosition {
            drawn: vec![2, 0],
            shards: vec![shard(0, 5, 95), shard(1, 7, 93)],
            ..position(AccountType::Debit, 70, 70, MAX - 70 - 198 - 2 - 8)
        }
    }

    #[test]
    fn consistent_position_violates_no_rule() {
        for consistent in [
            position(AccountType::Debit, 0, 0, MAX),
            position(AccountType::Debit, 70, 70, MAX - 70),
            position(AccountType::Credit, -30, 470, MAX - 470),
            position(AccountType::Loan, -900, -900, 900),
            LedgerPosition { headroom: MAX - 70 - 10 - 188, ..sharded() },
        ] {
            assert_eq!(consistent.violation(), None, "{consistent:?}");
        }
        assert_eq!(sharded().total_balance(), 80);
    }

    #[test]
    fn any_other_amount_violates_a_rule() {
        let consistent = LedgerPosition { headroom: MAX - 70 - 10 - 188, ..sharded() };
        for kind in [AccountType::Debit, AccountType::Credit, AccountType::Loan] {
            let consistent = match kind {
                AccountType::Debit => consistent.clone(),
                AccountType::Credit => position(kind, -30, 470, MAX - 470),
                AccountType::Loan => position(kind, -900, -900, 900),
            };
            for by in [1, -1] {
                for changed in [
                    LedgerPosition { available: consistent.available + by, ..consistent.clone() },
                    LedgerPosition { headroom: consistent.headroom + by, ..consistent.clone() },
                ] {
                    assert!(changed.violation().is_some(), "{changed:?}");
                }
            }
        }
        let [first, second] = [shard(0, 5, 95), shard(1, 7, 93)];
        for shards in [
            vec![],
            vec![first.clone()],
            vec![second.clone(), first.clone()],
            vec![first.clone(), second.clone(), shard(2, 0, 0)],
            vec![shard(0, 6, 95), second.clone()],
            vec![shard(0, 5, 96), second.clone()],
            vec![ShardPosition { currency: Currency::parse("EUR").unwrap(), ..first }, second],
        ] {
            let changed = LedgerPosition { shards, ..consistent.clone() };
            assert!(changed.violation().is_some(), "{changed:?}");
        }
        for drawn in [vec![6, 0], vec![-1, 0], vec![3, 0], vec![2]] {
            let changed = LedgerPosition { drawn, ..consistent.clone() };
            assert!(changed.violation().is_some(), "{changed:?}");
        }
    }

    #[test]
    fn any_of_the_later_transfers_explain_a_difference() {
        for (difference, amounts, expected) in [
            (0, &[][..], true),
            (1, &[], false),
            (5, &[5], true),
            (0, &[5], true),
            (4, &[5], false),
            (-2, &[5, -7], true),
            (7, &[5, -7], false),
            // Of many only the range counts.
            (4, &[5; 13], true),
            (65, &[5; 13], true),
            (66, &[5; 13], false),
            (-1, &[5; 13], false),
        ] {
            assert_eq!(explains(difference, amounts), expected, "{difference} {amounts:?}");
        }
    }
}
