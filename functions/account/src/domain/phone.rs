//! Phone numbers.

use std::fmt;

/// A phone number in the form of E.164: a plus, a country code, and no separators. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

/// The text is not a phone number in the form of E.164.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in international form (E.164), such as +33612345678")]
pub struct InvalidPhone;

impl Phone {
    /// Reads a number: a plus, a digit from 1 to 9, and 6 to 14 further digits. Whether the number exists is not asked.
    ///
    /// # Errors
    ///
    /// [`InvalidPhone`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        let well_formed = (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|digit| digit.is_ascii_digit());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidPhone) }
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

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phone]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_international_form_is_read() {
        for text in ["+1234567", "+33612345678", "+123456789012345"] {
            assert_eq!(Phone::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_not_such_a_number_is_refused() {
        for text in [
            "",
            "+",
            "+123456",
            "+1234567890123456",
            "33612345678",
            "0612345678",
            "+0612345678",
            "+33 6 12 34 56 78",
            "+33612345678 ",
            "++33612345678",
            "+٣٣٦١٢٣٤٥٦٧",
        ] {
            assert_eq!(Phone::parse(text), Err(InvalidPhone), "{text:?}");
        }
    }

    #[test]
    fn a_number_does_not_print_itself() {
        assert_eq!(format!("{:?}", Phone::parse("+33612345678").unwrap()), "[phone]");
    }
}
