//! Money: integers of a currency's minor unit, checked at every step.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// The largest amount and the largest balance, in minor units: 2^53-1, the largest integer that every JSON reader keeps
/// exactly (RFC 8259, section 6).
pub const MAX_AMOUNT_MINOR: i64 = 9_007_199_254_740_991;

/// Why something is not money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Zero, negative, or beyond [`MAX_AMOUNT_MINOR`].
    #[error("must be an integer from 1 to 9007199254740991, in minor units of the currency: 10.50 USD is 1050")]
    AmountOutOfRange,
    /// Beyond plus or minus [`MAX_AMOUNT_MINOR`].
    #[error("a balance must lie between -9007199254740991 and 9007199254740991 minor units")]
    BalanceOutOfRange,
    /// Not a code that ISO 4217 lists for money.
    #[error("must be the three capital letters of an ISO 4217 currency, such as USD")]
    UnknownCurrency,
}

/// A currency of ISO 4217, by its alphabetic code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
#[schema(description = "A currency of ISO 4217, by its alphabetic code.")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads an alphabetic code.
    ///
    /// # Errors
    ///
    /// [`MoneyError::UnknownCurrency`] for what ISO 4217 does not list, and for its codes that are no money (XXX, XTS).
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| MoneyError::UnknownCurrency)?;
        match iso_currency::Currency::from_code(code) {
            Some(known) if !matches!(known.code(), "XXX" | "XTS") => Ok(Self(bytes)),
            _ => Err(MoneyError::UnknownCurrency),
        }
    }

    /// The alphabetic code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// How much moves: a positive number of minor units, 1 to [`MAX_AMOUNT_MINOR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1050)]
#[schema(description = "An amount of money in minor units of its currency: 10.50 USD is 1050, 1050 JPY is 1050.")]
pub struct Amount(i64);

impl Amount {
    /// An amount in minor units.
    ///
    /// # Errors
    ///
    /// [`MoneyError::AmountOutOfRange`] outside 1 to [`MAX_AMOUNT_MINOR`].
    pub const fn from_minor(minor: i64) -> Result<Self, MoneyError> {
        if minor < 1 || minor > MAX_AMOUNT_MINOR { Err(MoneyError::AmountOutOfRange) } else { Ok(Self(minor)) }
    }

    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_minor(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What an account holds: minor units, negative when it owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default, ToSchema)]
#[serde(transparent)]
#[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64, example = 7450)]
#[schema(description = "What an account holds, in minor units of its currency; negative when it owes.")]
pub struct Balance(i64);

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A balance in minor units.
    ///
    /// # Errors
    ///
    /// [`MoneyError::BalanceOutOfRange`] beyond plus or minus [`MAX_AMOUNT_MINOR`].
    pub const fn from_minor(minor: i64) -> Result<Self, MoneyError> {
        if minor < -MAX_AMOUNT_MINOR || minor > MAX_AMOUNT_MINOR {
            Err(MoneyError::BalanceOutOfRange)
        } else {
            Ok(Self(minor))
        }
    }

    /// What is owed after so much was lent.
    pub const fn owing(amount: Amount) -> Self {
        Self(-amount.0)
    }

    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl From<Amount> for Balance {
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_lies_between_one_and_the_largest_exact_integer() {
        for minor in [1, 1050, MAX_AMOUNT_MINOR] {
            assert_eq!(Amount::from_minor(minor).map(Amount::minor), Ok(minor));
        }
        for minor in [0, -1, MAX_AMOUNT_MINOR + 1, i64::MAX, i64::MIN] {
            assert_eq!(Amount::from_minor(minor), Err(MoneyError::AmountOutOfRange));
        }
    }

    #[test]
    fn a_balance_may_owe_as_much_as_it_may_hold() {
        assert_eq!(Balance::from_minor(-MAX_AMOUNT_MINOR).map(Balance::minor), Ok(-MAX_AMOUNT_MINOR));
        assert_eq!(Balance::from_minor(MAX_AMOUNT_MINOR + 1), Err(MoneyError::BalanceOutOfRange));
    }

    #[test]
    fn a_currency_is_one_that_iso_4217_lists() {
        for code in ["USD", "EUR", "JPY", "RWF", "KES"] {
            assert_eq!(Currency::parse(code).map(|currency| currency.to_string()), Ok(code.to_owned()));
        }
        for code in ["", "usd", "US", "USDX", "AAA", "XXX", "XTS", "€€€"] {
            assert_eq!(Currency::parse(code), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }
}
