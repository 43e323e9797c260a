//! E-mail addresses.

use std::fmt;

use email_address::{EmailAddress, Options};

/// The longest address that can be mailed to (RFC 5321, section 4.5.3.1.3, less the angle brackets of its path).
const MAX_BYTES: usize = 254;

/// An e-mail address, in lower case: who differs only in that is the same person. RFC 5321 lets a mail host tell them
/// apart, but none that people use does. It does not print itself.
#[derive(Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(format = Email, max_length = 254, example = "ada@example.com", description = "An e-mail address.")]
pub struct Email(String);

/// The text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most 254 characters, such as ada@example.com")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address in any letter case: without a display name, and at a domain name with a top level.
    ///
    /// # Errors
    ///
    /// [`InvalidEmail`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        let email = text.to_lowercase();
        if email.len() > MAX_BYTES || EmailAddress::parse_with_options(&email, options).is_err() {
            return Err(InvalidEmail);
        }
        Ok(Self(email))
    }

    /// As it was stored: read in its time, and not measured again by rules that may have changed since.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
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
    fn an_address_is_the_same_in_any_letter_case() {
        let email = Email::parse("Ada.Lovelace+bank@Example.COM").unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+bank@example.com");
        assert_eq!(Email::parse(email.as_str()), Ok(email));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
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
    fn an_address_does_not_print_itself() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "[e-mail]");
    }
}
