//! Settings of a deployment that several use cases share.

use std::str::FromStr;

use config::{ConfigError, Env};
use kernel::Amount;

use super::PaymentError;
use crate::domain::WriteShards;

/// Defines a setting that is `enabled` or `disabled`, and the error where it is disabled.
macro_rules! setting {
    ($(#[$doc:meta])* $name:ident, $(#[$disabled:meta])* Disabled => $error:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            Enabled,
            $(#[$disabled])*
            Disabled,
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    "enabled" => Ok(Self::Enabled),
                    "disabled" => Ok(Self::Disabled),
                    _ => Err("must be enabled or disabled"),
                }
            }
        }

        impl $name {
            /// # Errors
            ///
            /// An error if it is disabled.
            pub const fn check(self) -> Result<(), PaymentError> {
                match self {
                    Self::Enabled => Ok(()),
                    Self::Disabled => Err(PaymentError::$error),
                }
            }
        }
    };
}

setting! {
    /// Whether users can deposit to their own accounts (`SELF_DEPOSIT`). A convenience of development, disabled in
    /// production.
    SelfDeposit,
    /// Accounts are funded by collections only.
    Disabled => SelfDepositDisabled
}

setting! {
    /// Whether users can open CREDIT and LOAN accounts themselves (`SELF_CREDIT`). A convenience of development, disabled in
    /// production.
    SelfCredit,
    /// An operator opens them.
    Disabled => SelfCreditDisabled
}

/// The number of write shards that accounts are given on which payments keep conflicting (`AUTO_SHARDS`): 0 for none.
///
/// # Errors
///
/// [`ConfigError`] if the setting is missing or invalid.
pub fn auto_shards(env: &Env) -> Result<Option<WriteShards>, ConfigError> {
    env.read("AUTO_SHARDS", |text| {
        let count = text.parse::<i64>().map_err(|error| error.to_string())?;
        WriteShards::or_none(count).map_err(|error| error.to_string())
    })
}

/// The identifier that a user must have verified before they can change anything (`REQUIRE_VERIFIED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireVerified {
    None,
    Email,
    Phone,
}

impl FromStr for RequireVerified {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "email" => Ok(Self::Email),
            "phone" => Ok(Self::Phone),
            _ => Err("must be none, email or phone"),
        }
    }
}

/// The limits of the platform.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `MAX_CREDIT_LIMIT`, in minor units. Also the limit of a CREDIT account that is opened without one.
    pub max_credit_limit: Amount,
    /// `MAX_LOAN_PRINCIPAL`, in minor units.
    pub max_loan_principal: Amount,
    /// `MAX_CREDIT_PER_USER`, in minor units: of all credit limits and principals of a user in one currency.
    pub max_credit_per_user: Amount,
    /// `MAX_ACCOUNTS_PER_USER`.
    pub max_accounts_per_user: u32,
}

impl Limits {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or invalid.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let amount = |text: &str| {
            let minor = text.parse::<i64>().map_err(|error| error.to_string())?;
            Amount::from_minor(minor).map_err(|error| error.to_string())
        };
        Ok(Self {
            max_credit_limit: env.read("MAX_CREDIT_LIMIT", amount)?,
            max_loan_principal: env.read("MAX_LOAN_PRINCIPAL", amount)?,
            max_credit_per_user: env.read("MAX_CREDIT_PER_USER", amount)?,
            max_accounts_per_user: env.parsed("MAX_ACCOUNTS_PER_USER")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_shards_outside_0_to_16_are_rejected() {
        let read = |text| auto_shards(&Env::from_iter([("AUTO_SHARDS", text)]));
        assert_eq!((read("0").unwrap(), read("8").unwrap()), (None, WriteShards::new(8).ok()));
        for invalid in ["17", "-1", "", "on"] {
            assert!(read(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn require_verified_accepts_only_verifiable_identifiers() {
        for (text, valid) in [("none", true), ("email", true), ("phone", true), ("", false), ("Email", false)] {
            assert_eq!(text.parse::<RequireVerified>().is_ok(), valid, "{text}");
        }
    }
}
