//! Which passwords a person may choose.

use std::str::FromStr;

use contact::{Email, Phone};
use kernel::Secret;

/// No stage may ask for less (NIST SP 800-63B, section 5.1.1.2).
const LEAST_MIN_LENGTH: usize = 8;
/// Long enough for any pass phrase, and a bound on the work of hashing one.
const MAX_LENGTH: usize = 128;

/// A password that its person may choose.
#[derive(Debug)]
pub struct Password(Secret<String>);

/// What is asked of a new password. There are no rules of composition: they make passwords worse (NIST SP 800-63B).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_length: usize,
}

/// The setting is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from {LEAST_MIN_LENGTH} to {MAX_LENGTH}")]
pub struct InvalidPasswordPolicy;

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPassword {
    /// Fewer or more characters than may be.
    #[error("must have {min_length} to {MAX_LENGTH} characters")]
    Length {
        /// The fewest there may be.
        min_length: usize,
    },
    /// Anybody who wants to sign in as this person would try it first.
    #[error("must not be the e-mail address or the phone number itself")]
    IsAnIdentifier,
}

impl FromStr for PasswordPolicy {
    type Err = InvalidPasswordPolicy;

    /// The least number of characters, in digits.
    fn from_str(text: &str) -> Result<Self, InvalidPasswordPolicy> {
        let min_length = text.parse().map_err(|_| InvalidPasswordPolicy)?;
        if (LEAST_MIN_LENGTH..=MAX_LENGTH).contains(&min_length) {
            Ok(Self { min_length })
        } else {
            Err(InvalidPasswordPolicy)
        }
    }
}

impl PasswordPolicy {
    /// Takes a password for the person with these identifiers. A character is a Unicode scalar value.
    ///
    /// # Errors
    ///
    /// [`RefusedPassword`] if it breaks a rule.
    pub fn accept(
        self,
        password: Secret<String>,
        email: Option<&Email>,
        phone: Option<&Phone>,
    ) -> Result<Password, RefusedPassword> {
        if !(self.min_length..=MAX_LENGTH).contains(&password.expose().chars().count()) {
            return Err(RefusedPassword::Length { min_length: self.min_length });
        }
        let folded = Secret::new(password.expose().to_lowercase());
        let is_the_email = email.is_some_and(|email| email.as_str() == folded.expose());
        let is_the_phone = phone.is_some_and(|phone| Phone::parse(password.expose()).as_ref() == Ok(phone));
        if is_the_email || is_the_phone {
            return Err(RefusedPassword::IsAnIdentifier);
        }
        Ok(Password(password))
    }
}

impl Password {
    /// The password itself, to be hashed.
    pub(super) const fn secret(&self) -> &Secret<String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(password: &str) -> Result<Password, RefusedPassword> {
        let policy: PasswordPolicy = "8".parse().unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        let phone = Phone::parse("+33612345678").unwrap();
        policy.accept(Secret::new(password.to_owned()), Some(&email), Some(&phone))
    }

    #[test]
    fn a_password_is_measured_in_characters_and_taken_whole() {
        for password in ["8 chars.", "пароль из слов", &"🔑".repeat(8), &"é".repeat(128), "        "] {
            assert_eq!(accept(password).unwrap().secret().expose(), password);
        }
        for password in ["", "7 chars", &"🔑".repeat(7), &"a".repeat(129)] {
            assert_eq!(accept(password).unwrap_err(), RefusedPassword::Length { min_length: 8 }, "{password}");
        }
    }

    #[test]
    fn the_identifiers_themselves_are_no_passwords() {
        for password in ["ada@example.com", "ADA@Example.com", "+33612345678", "+33 6 12 34 56 78"] {
            assert_eq!(accept(password).unwrap_err(), RefusedPassword::IsAnIdentifier, "{password}");
        }
        assert!(accept("ada@example.com!").is_ok());
    }

    #[test]
    fn a_policy_asks_for_8_to_128_characters() {
        for text in ["8", "128"] {
            assert!(text.parse::<PasswordPolicy>().is_ok(), "{text}");
        }
        for text in ["", "7", "129", "-8", "eight"] {
            assert_eq!(text.parse::<PasswordPolicy>(), Err(InvalidPasswordPolicy), "{text}");
        }
    }
}
