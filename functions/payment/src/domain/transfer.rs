//! Transfers, which are the only way in which money moves.

use kernel::{Amount, Currency, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};
use utoipa::ToSchema;

use super::{FailureReason, OperationId, Party, PaymentAccountId};

kernel::uuid_id! {
    /// The id of a transfer. It is derived from the request, so that a request posts at most one transfer.
    TransferId
}

impl From<OperationId> for TransferId {
    fn from(operation: OperationId) -> Self {
        Self::from_bytes(*operation.as_bytes())
    }
}

/// The type of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum TransferType {
    /// From an external account into a payment account.
    Deposit,
    /// From a payment account to an external account.
    Withdrawal,
    /// From one payment account to another.
    Send,
    /// From an external account into a payment account: the provider collected a payment for its owner.
    Collection,
    /// From a new loan account to the account that receives the principal.
    Disbursement,
}

/// The status of a transfer. It is final: a transfer never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
pub enum TransferStatus {
    Completed,
    /// The transfer moved no money and is never retried under the same id.
    Failed(FailureReason),
}

/// A free-text memo, at most 140 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(max_length = 140, example = "Dinner")]
pub struct Note(String);

/// The note is longer than 140 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have at most 140 characters")]
pub struct NoteTooLong;

impl Note {
    /// Keeps the text unchanged.
    ///
    /// # Errors
    ///
    /// [`NoteTooLong`] beyond 140 characters.
    pub fn parse(text: &str) -> Result<Self, NoteTooLong> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Note {
    type Error = NoteTooLong;

    fn try_from(text: String) -> Result<Self, NoteTooLong> {
        if text.chars().count() <= 140 { Ok(Self(text)) } else { Err(NoteTooLong) }
    }
}

/// The accounts of a transfer. An external account is a side without an account of this platform: its position follows
/// from the transfers, because an item with its balance would be written by every deposit and withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posting {
    Deposit {
        to: PaymentAccountId,
    },
    Collection {
        to: PaymentAccountId,
    },
    Withdrawal {
        from: PaymentAccountId,
    },
    /// Between two payment accounts.
    Internal {
        from: PaymentAccountId,
        to: PaymentAccountId,
        /// [`TransferType::Send`] or [`TransferType::Disbursement`].
        kind: TransferType,
    },
}

impl Posting {
    pub const fn kind(&self) -> TransferType {
        match self {
            Self::Deposit { .. } => TransferType::Deposit,
            Self::Collection { .. } => TransferType::Collection,
            Self::Withdrawal { .. } => TransferType::Withdrawal,
            Self::Internal { kind, .. } => *kind,
        }
    }

    /// The payer, unless it is an external account.
    pub const fn from(&self) -> Option<&PaymentAccountId> {
        match self {
            Self::Deposit { .. } | Self::Collection { .. } => None,
            Self::Withdrawal { from } | Self::Internal { from, .. } => Some(from),
        }
    }

    /// The payee, unless it is an external account.
    pub const fn to(&self) -> Option<&PaymentAccountId> {
        match self {
            Self::Withdrawal { .. } => None,
            Self::Deposit { to } | Self::Collection { to } | Self::Internal { to, .. } => Some(to),
        }
    }

    /// Whether the initiator of the transfer must own this party's account.
    pub const fn requires_ownership(&self, party: Party) -> bool {
        match party {
            Party::Payer => true,
            Party::Payee => self.from().is_none(),
        }
    }
}

/// A transfer. It is the journal entry, the record of the request and the entry in both histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub id: TransferId,
    pub posting: Posting,
    pub status: TransferStatus,
    pub amount: Amount,
    pub currency: Currency,
    pub note: Option<Note>,
    pub initiated_by: UserId,
    pub created_at: Timestamp,
}

impl Transfer {
    /// Whether a user can see the transfer: its initiator, and once the money has moved, the owner of either account.
    pub fn is_visible_to(&self, user: UserId, owns: impl Fn(&PaymentAccountId) -> bool) -> bool {
        let is_party = self.posting.from().is_some_and(&owns) || self.posting.to().is_some_and(&owns);
        self.initiated_by == user || (self.status == TransferStatus::Completed && is_party)
    }
}

/// The direction of a transfer, as seen by the user who reads the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Direction {
    In,
    Out,
    /// Between two accounts of the user.
    #[serde(rename = "SELF")]
    SelfTransfer,
}

impl Direction {
    pub fn of(posting: &Posting, owns: impl Fn(&PaymentAccountId) -> bool) -> Self {
        match (posting.from().is_some_and(&owns), posting.to().is_some_and(&owns)) {
            (true, true) => Self::SelfTransfer,
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
    fn direction_depends_on_which_accounts_the_user_owns() {
        let send = Posting::Internal { from: account("a"), to: account("b"), kind: TransferType::Send };
        assert_eq!(Direction::of(&send, |id| id.as_str() == "a"), Direction::Out);
        assert_eq!(Direction::of(&send, |id| id.as_str() == "b"), Direction::In);
        assert_eq!(Direction::of(&send, |_| true), Direction::SelfTransfer);
        assert_eq!(Direction::of(&Posting::Deposit { to: account("a") }, |_| true), Direction::In);
        assert_eq!(Direction::of(&Posting::Withdrawal { from: account("a") }, |_| true), Direction::Out);
    }

    #[test]
    fn note_length_is_counted_in_characters() {
        assert!(Note::parse(&"ö".repeat(140)).is_ok());
        assert_eq!(Note::parse(&"o".repeat(141)), Err(NoteTooLong));
    }
}
