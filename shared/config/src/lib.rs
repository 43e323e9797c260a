//! Configuration from environment variables, read once at start-up.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// A setting is missing or invalid. The function does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    #[error("environment variable {key} is {value:?}: {reason}")]
    Invalid { key: &'static str, value: String, reason: String },
}

/// The environment variables of a function.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Reads the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    pub fn from_process() -> Self {
        std::env::vars().collect()
    }

    /// Returns a required setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Missing`] if it is not set or empty.
    pub fn required(&self, key: &'static str) -> Result<&str, ConfigError> {
        self.optional(key).ok_or(ConfigError::Missing(key))
    }

    /// Returns an optional setting; an empty value counts as absent.
    pub fn optional(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Parses a required setting as a `T`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is missing or does not parse.
    pub fn parsed<T: FromStr<Err: Display>>(&self, key: &'static str) -> Result<T, ConfigError> {
        self.read(key, T::from_str)
    }

    /// Parses a required setting with `parse`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is missing or `parse` rejects it.
    pub fn read<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let value = self.required(key)?;
        parse(value).map_err(|error| ConfigError::Invalid { key, value: value.to_owned(), reason: error.to_string() })
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
    fn missing_or_invalid_setting_is_named() {
        let env = Env::from_iter([("EMPTY", ""), ("LIMIT", "many")]);
        assert_eq!(env.required("TABLE").unwrap_err().to_string(), "environment variable TABLE is not set");
        assert_eq!(env.required("EMPTY"), Err(ConfigError::Missing("EMPTY")));
        assert_eq!(
            env.parsed::<u32>("LIMIT").unwrap_err().to_string(),
            "environment variable LIMIT is \"many\": invalid digit found in string"
        );
    }
}
