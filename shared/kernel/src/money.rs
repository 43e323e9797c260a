//! Money as integers in minor units, with checked arithmetic.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// The maximum amount and balance in minor units: 2^53-1, the largest integer that every JSON parser represents exactly
/// (RFC 8259, section 6).
pub const MAX_AMOUNT_MINOR: i64 = 9_007_199_254_740_991;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Zero, negative, or above [`MAX_AMOUNT_MINOR`].
    #[error("must be an integer from 1 to 9007199254740991, in minor units of the currency: 10.50 USD is 1050")]
    AmountOutOfRange,
    /// Below -[`MAX_AMOUNT_MINOR`] or above [`MAX_AMOUNT_MINOR`].
    #[error("a balance must lie between -9007199254740991 and 9007199254740991 minor units")]
    BalanceOutOfRange,
    /// Not the ISO 4217 code of a currency that is legal tender.
    #[error("must be the three capital letters of an ISO 4217 currency, such as USD")]
    UnknownCurrency,
}

/// An ISO 4217 currency, by its alphabetic code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
#[schema(description = "An ISO 4217 currency code.")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Parses the alphabetic code of a currency that is legal tender.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] for a code that ISO 4217 does not list, or lists for a fund, a metal, a unit of account
    /// or testing, and for a currency that another one has replaced.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let known = iso_currency::Currency::from_code(code).ok_or(MoneyError::UnknownCurrency)?;
        // Both codes of the bolívar are current; the library's data has VES as replaced by VED.
        if known != iso_currency::Currency::VES && !known.flags().is_empty() {
            return Err(MoneyError::UnknownCurrency);
        }
        Self::from_stored(code)
    }

    /// Reads a code that was valid when it was stored.
    fn from_stored(code: &str) -> Result<Self, MoneyError> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| MoneyError::UnknownCurrency)?;
        if bytes.iter().all(u8::is_ascii_uppercase) { Ok(Self(bytes)) } else { Err(MoneyError::UnknownCurrency) }
    }

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
        Self::from_stored(&code).map_err(serde::de::Error::custom)
    }
}

/// A positive number of minor units, 1 to [`MAX_AMOUNT_MINOR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1050)]
#[schema(description = "An amount of money in minor units of its currency: 10.50 USD is 1050, 1050 JPY is 1050.")]
pub struct Amount(i64);

impl Amount {
    /// Creates an amount in minor units.
    ///
    /// # Errors
    /// [`MoneyError::AmountOutOfRange`] outside 1 to [`MAX_AMOUNT_MINOR`].
    pub const fn from_minor(minor: i64) -> Result<Self, MoneyError> {
        if minor < 1 || minor > MAX_AMOUNT_MINOR { Err(MoneyError::AmountOutOfRange) } else { Ok(Self(minor)) }
    }

    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_minor(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The balance of an account in minor units, negative if the account owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default, ToSchema)]
#[serde(transparent)]
#[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64, example = 7450)]
#[schema(description = "The balance of an account in minor units of its currency; negative if it owes.")]
pub struct Balance(i64);

impl Balance {
    pub const ZERO: Self = Self(0);

    /// Creates a balance in minor units.
    ///
    /// # Errors
    /// [`MoneyError::BalanceOutOfRange`] outside plus or minus [`MAX_AMOUNT_MINOR`].
    pub const fn from_minor(minor: i64) -> Result<Self, MoneyError> {
        if minor < -MAX_AMOUNT_MINOR || minor > MAX_AMOUNT_MINOR {
            Err(MoneyError::BalanceOutOfRange)
        } else {
            Ok(Self(minor))
        }
    }

    /// The balance of an account that owes this amount.
    pub const fn owing(amount: Amount) -> Self {
        Self(-amount.0)
    }

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
    fn amount_outside_its_range_is_rejected() {
        for minor in [1, 1050, MAX_AMOUNT_MINOR] {
            assert_eq!(Amount::from_minor(minor).map(Amount::minor), Ok(minor));
        }
        for minor in [0, -1, MAX_AMOUNT_MINOR + 1, i64::MAX, i64::MIN] {
            assert_eq!(Amount::from_minor(minor), Err(MoneyError::AmountOutOfRange));
        }
    }

    #[test]
    fn balance_range_is_symmetric() {
        assert_eq!(Balance::from_minor(-MAX_AMOUNT_MINOR).map(Balance::minor), Ok(-MAX_AMOUNT_MINOR));
        assert_eq!(Balance::from_minor(MAX_AMOUNT_MINOR + 1), Err(MoneyError::BalanceOutOfRange));
    }

    #[test]
    fn currency_outside_iso_4217_is_rejected() {
        for code in ["USD", "EUR", "JPY", "RWF", "KES"] {
            assert_eq!(Currency::parse(code).map(|currency| currency.to_string()), Ok(code.to_owned()));
        }
        for code in ["", "usd", "US", "USDX", "AAA", "XXX", "XTS", "€€€"] {
            assert_eq!(Currency::parse(code), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn code_that_is_not_legal_tender_is_rejected() {
        for code in ["HRK", "SLL", "ZWL", "CUC", "BGN", "XAU", "XAG", "XPT", "XDR", "BOV", "USN", "CHE", "UYI"] {
            assert_eq!(Currency::parse(code), Err(MoneyError::UnknownCurrency), "{code}");
        }
        for code in ["SLE", "ZWG", "CUP", "VES", "VED", "XAF", "XOF", "XPF", "XCD", "XCG", "NAD"] {
            assert!(Currency::parse(code).is_ok(), "{code}");
        }
    }

    #[test]
    fn stored_currency_is_read_after_it_was_replaced() {
        assert_eq!(serde_json::from_str::<Currency>("\"HRK\"").unwrap().to_string(), "HRK");
    }
}
