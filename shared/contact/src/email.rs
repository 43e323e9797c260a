//! E-mail addresses.

use std::fmt;

use email_address::{EmailAddress, Options};

/// The maximum length (RFC 5321, section 4.5.3.1.3, without the angle brackets of the path).
const MAX_BYTES: usize = 254;

/// An e-mail address in lower case. RFC 5321 allows case-sensitive local parts, but no mail provider in use has them.
/// `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(format = Email, max_length = 254, example = "ada@example.com", description = "An e-mail address.")]
pub struct Email(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most 254 characters, such as ada@example.com")]
pub struct InvalidEmail;

impl Email {
    /// Parses an address: without a display name, and with a domain that has a top level. Letter case is ignored.
    /// # Errors
    /// [`InvalidEmail`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let email = text.to_lowercase();
        if email.len() > MAX_BYTES || EmailAddress::parse_with_options(&email, options).is_err() {
            return Err(InvalidEmail);
        }
        Ok(Self(email))
    }

    /// Restores a stored address without validating it again: the rules may have changed since.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[e-mail]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_is_case_insensitive() {
        let email = Email::parse("Ada.Lovelace+bank@Example.COM").unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+bank@example.com");
        assert_eq!(Email::parse(email.as_str()), Ok(email));
    }

    #[test]
    fn invalid_email_is_rejected() {
        let long = format!("{}@{}.com", "a".repeat(64), "b".repeat(200));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "ada lovelace@example.com",
            " ada@example.com",
            "ada@example.com ",
            "Ada <ada@example.com>",
            "ada@[192.0.2.1]",
            &long,
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn email_debug_output_is_redacted() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "[e-mail]");
    }
}
