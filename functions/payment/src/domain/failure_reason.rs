//! The rules that a well-formed transfer can violate.

use std::fmt;

use strum::{Display, EnumString, IntoStaticStr};

/// A side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
pub enum Party {
    /// The account that is debited. Stored as `from`.
    #[strum(serialize = "from")]
    Payer,
    /// The account that is credited. Stored as `to`.
    #[strum(serialize = "to")]
    Payee,
}

/// The rule that a transfer violates. It contains no balance, so a replayed request gets the same response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FailureReason {
    /// The account does not exist, or belongs to another user where the initiator must own it.
    AccountNotFound(Party),
    CurrencyMismatch(Party),
    AccountFrozen(Party),
    /// The amount exceeds the payer's available balance.
    InsufficientFunds,
    /// The amount exceeds the payee's headroom: a loan would become positive, or a balance would exceed
    /// [`MAX_AMOUNT_MINOR`](kernel::MAX_AMOUNT_MINOR).
    HeadroomExceeded,
}

impl FailureReason {
    pub const ALL: [Self; 8] = [
        Self::AccountNotFound(Party::Payer),
        Self::AccountNotFound(Party::Payee),
        Self::CurrencyMismatch(Party::Payer),
        Self::CurrencyMismatch(Party::Payee),
        Self::AccountFrozen(Party::Payer),
        Self::AccountFrozen(Party::Payee),
        Self::InsufficientFunds,
        Self::HeadroomExceeded,
    ];

    /// The `failureCode` of a transfer, which is also the `code` of the problem.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The side whose account violates the rule.
    pub const fn party(self) -> Party {
        match self {
            Self::AccountNotFound(party) | Self::CurrencyMismatch(party) | Self::AccountFrozen(party) => party,
            Self::InsufficientFunds => Party::Payer,
            Self::HeadroomExceeded => Party::Payee,
        }
    }

    /// Finds the reason with this code and party.
    pub fn from_code(code: &str, party: Party) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code && reason.party() == party)
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_reason_is_found_by_its_code_and_party() {
        for reason in FailureReason::ALL {
            let party = reason.party().to_string().parse().unwrap();
            assert_eq!(FailureReason::from_code(reason.code(), party), Some(reason));
        }
    }
}
