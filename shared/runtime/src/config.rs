//! Configuration: the environment, read once, in init.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// A setting is missing or cannot be read. The function does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to something else than it can be.
    #[error("the environment variable {key} is {value:?}: {reason}")]
    Invalid {
        /// The variable.
        key: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with that.
        reason: String,
    },
}

/// The environment of the function.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_process() -> Self {
        std::env::vars().collect()
    }

    /// A setting that must be there.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Missing`] if it is not set or empty.
    pub fn required(&self, key: &'static str) -> Result<&str, ConfigError> {
        self.optional(key).ok_or(ConfigError::Missing(key))
    }

    /// A setting that may be absent.
    pub fn optional(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A setting that must be there and be read as a `T`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is not there or cannot be read.
    pub fn parsed<T: FromStr<Err: Display>>(&self, key: &'static str) -> Result<T, ConfigError> {
        self.read(key, T::from_str)
    }

    /// A setting that must be there and pass through `read`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is not there or `read` refuses it.
    pub fn read<T, E: Display>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let value = self.required(key)?;
        read(value).map_err(|error| ConfigError::Invalid { key, value: value.to_owned(), reason: error.to_string() })
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_wrong_setting_is_named() {
        let env = Env::from_iter([("EMPTY", ""), ("LIMIT", "many")]);
        assert_eq!(env.required("TABLE").unwrap_err().to_string(), "the environment variable TABLE is not set");
        assert_eq!(env.required("EMPTY"), Err(ConfigError::Missing("EMPTY")));
        assert_eq!(
            env.parsed::<u32>("LIMIT").unwrap_err().to_string(),
            "the environment variable LIMIT is \"many\": invalid digit found in string"
        );
    }
}
