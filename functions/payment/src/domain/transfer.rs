//! Transfers: the only way money moves.

use std::fmt;

use kernel::{Amount, Currency, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{PaymentAccountId, Refusal, RequestId};

/// The id of a transfer. It derives from the request that asked for it, so one request has one transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = "uuid", example = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b")]
pub struct TransferId(Uuid);

impl TransferId {
    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`kernel::ids::InvalidId`] if the text is not a canonical UUID.
    pub fn parse(text: &str) -> Result<Self, kernel::ids::InvalidId> {
        kernel::ids::parse_uuid(text).map(Self)
    }
}

impl From<RequestId> for TransferId {
    fn from(request: RequestId) -> Self {
        Self(request.uuid())
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a transfer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TransferType {
    /// From the outside into an account.
    Deposit,
    /// From an account to the outside.
    Withdrawal,
    /// From one account to another.
    Send,
    /// From the outside into an account: what a provider collected for its owner.
    Collection,
    /// From a loan account, when it opens, to the account that receives the principal.
    Disbursement,
}

impl TransferType {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "DEPOSIT",
            Self::Withdrawal => "WITHDRAWAL",
            Self::Send => "SEND",
            Self::Collection => "COLLECTION",
            Self::Disbursement => "DISBURSEMENT",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Deposit, Self::Withdrawal, Self::Send, Self::Collection, Self::Disbursement]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What came of a transfer. Final from the start: a transfer never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferStatus {
    /// The money moved.
    Completed,
    /// It did not, and under this id never will.
    Failed(Refusal),
}

impl TransferStatus {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Failed(_) => "FAILED",
        }
    }
}

/// A word from the payer to the payee, at most 140 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(max_length = 140, example = "Dinner")]
pub struct Note(String);

/// The note is longer than 140 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have at most 140 characters")]
pub struct NoteTooLong;

impl Note {
    /// A note. It stays as it was written.
    ///
    /// # Errors
    ///
    /// [`NoteTooLong`] beyond 140 characters.
    pub fn parse(text: &str) -> Result<Self, NoteTooLong> {
        if text.chars().count() <= 140 { Ok(Self(text.to_owned())) } else { Err(NoteTooLong) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which accounts a transfer runs between. The outside is a side without an account: `external:<currency>`, whose
/// position follows from the transfers alone, since a balance of its own would be the hottest item of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posting {
    /// From the outside.
    Deposit {
        /// The account that receives.
        to: PaymentAccountId,
    },
    /// From the outside, as a provider collected it.
    Collection {
        /// The account that receives.
        to: PaymentAccountId,
    },
    /// To the outside.
    Withdrawal {
        /// The account that pays.
        from: PaymentAccountId,
    },
    /// Between two accounts.
    Between {
        /// The account that pays.
        from: PaymentAccountId,
        /// The account that receives.
        to: PaymentAccountId,
        /// [`TransferType::Send`] or [`TransferType::Disbursement`].
        kind: TransferType,
    },
}

impl Posting {
    /// What it is for.
    pub const fn kind(&self) -> TransferType {
        match self {
            Self::Deposit { .. } => TransferType::Deposit,
            Self::Collection { .. } => TransferType::Collection,
            Self::Withdrawal { .. } => TransferType::Withdrawal,
            Self::Between { kind, .. } => *kind,
        }
    }

    /// The account that pays, unless it is the outside.
    pub const fn from(&self) -> Option<&PaymentAccountId> {
        match self {
            Self::Deposit { .. } | Self::Collection { .. } => None,
            Self::Withdrawal { from } | Self::Between { from, .. } => Some(from),
        }
    }

    /// The account that receives, unless it is the outside.
    pub const fn to(&self) -> Option<&PaymentAccountId> {
        match self {
            Self::Withdrawal { .. } => None,
            Self::Deposit { to } | Self::Collection { to } | Self::Between { to, .. } => Some(to),
        }
    }
}

/// A transfer: at once the journal entry, the record of the request, and the line in both histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// Between which accounts.
    pub posting: Posting,
    /// What came of it.
    pub status: TransferStatus,
    /// How much, always positive.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// A word from the payer.
    pub note: Option<Note>,
    /// Who asked for it.
    pub initiated_by: UserId,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// Which way money went, as the reader of a history sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Direction {
    /// To the reader.
    In,
    /// From the reader.
    Out,
    /// Between two accounts of the reader.
    #[serde(rename = "SELF")]
    Between,
}

impl Direction {
    /// Which way it went for the owner of some of its accounts.
    pub fn of(posting: &Posting, owns: impl Fn(&PaymentAccountId) -> bool) -> Self {
        match (posting.from().is_some_and(&owns), posting.to().is_some_and(&owns)) {
            (true, true) => Self::Between,
            (true, false) => Self::Out,
            (false, _) => Self::In,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str) -> PaymentAccountId {
        PaymentAccountId::parse(id).unwrap()
    }

    #[test]
    fn a_direction_is_told_from_the_side_of_the_reader() {
        let send = Posting::Between { from: account("a"), to: account("b"), kind: TransferType::Send };
        assert_eq!(Direction::of(&send, |id| id.as_str() == "a"), Direction::Out);
        assert_eq!(Direction::of(&send, |id| id.as_str() == "b"), Direction::In);
        assert_eq!(Direction::of(&send, |_| true), Direction::Between);
        assert_eq!(Direction::of(&Posting::Deposit { to: account("a") }, |_| true), Direction::In);
        assert_eq!(Direction::of(&Posting::Withdrawal { from: account("a") }, |_| true), Direction::Out);
    }

    #[test]
    fn a_note_counts_characters_not_bytes() {
        assert!(Note::parse(&"ö".repeat(140)).is_ok());
        assert_eq!(Note::parse(&"o".repeat(141)), Err(NoteTooLong));
    }
}
