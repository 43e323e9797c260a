//! Why money did not move, though the request was well formed.

use std::fmt;

/// Which side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The account that pays.
    Payer,
    /// The account that receives.
    Payee,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Payer => "paying",
            Self::Payee => "receiving",
        })
    }
}

/// A rule that a transfer breaks. Says nothing of balances, so that the same request is refused in the same words
/// however often it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such account, or it is somebody else's where it must be one's own.
    AccountNotFound(Party),
    /// It holds another currency.
    CurrencyMismatch(Party),
    /// No money moves in or out of it.
    AccountFrozen(Party),
    /// Less is available than should leave.
    InsufficientFunds,
    /// More should enter than may: a loan past zero, or a balance past the largest amount.
    HeadroomExceeded,
}

impl Refusal {
    /// Every refusal there is.
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

    /// What a program decides by: the `failureCode` of a transfer and the `code` of a problem.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountNotFound(_) => "account_not_found",
            Self::CurrencyMismatch(_) => "currency_mismatch",
            Self::AccountFrozen(_) => "account_frozen",
            Self::InsufficientFunds => "insufficient_funds",
            Self::HeadroomExceeded => "headroom_exceeded",
        }
    }

    /// Which account it is about.
    pub const fn party(self) -> Party {
        match self {
            Self::AccountNotFound(party) | Self::CurrencyMismatch(party) | Self::AccountFrozen(party) => party,
            Self::InsufficientFunds => Party::Payer,
            Self::HeadroomExceeded => Party::Payee,
        }
    }

    /// As it is stored.
    pub const fn as_stored(self) -> (&'static str, &'static str) {
        let party = match self.party() {
            Party::Payer => "from",
            Party::Payee => "to",
        };
        (self.code(), party)
    }

    /// The other way round.
    pub fn parse(code: &str, party: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.as_stored() == (code, party))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let party = self.party();
        match self {
            Self::AccountNotFound(Party::Payer) => f.write_str("You have no payment account of this id."),
            Self::AccountNotFound(Party::Payee) => f.write_str("There is no payment account of this id to receive it."),
            Self::CurrencyMismatch(_) => write!(f, "The {party} account holds another currency."),
            Self::AccountFrozen(_) => write!(f, "The {party} account is frozen."),
            Self::InsufficientFunds => f.write_str("The account has less available than this amount."),
            Self::HeadroomExceeded => f.write_str("The receiving account may not take in as much as this amount."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_reads_back_as_it_was_stored() {
        for refusal in Refusal::ALL {
            let (code, party) = refusal.as_stored();
            assert_eq!(Refusal::parse(code, party), Some(refusal));
        }
    }
}
