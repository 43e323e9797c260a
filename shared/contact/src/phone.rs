//! Phone numbers.

use std::fmt;

use crate::numbering_plan::Plan;

/// The maximum number of digits (ITU-T E.164, section 6).
const MAX_DIGITS: usize = 15;
/// The maximum length of the input, with separators.
const MAX_BYTES: usize = 40;

/// A phone number in E.164 format: a plus, the country code, no separators. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(pattern = "^\\+[1-9][0-9]{1,14}$", example = "+250788123456", description = "A phone number, E.164.")]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in international form (E.164), such as +250788123456")]
pub struct InvalidPhone;

impl Phone {
    /// Parses a number in international form: a plus, the country code and the number, with spaces, hyphens, dots and
    /// brackets anywhere, and white space at the ends. All spellings of a number yield the same `Phone`, including one with a national `(0)`.
    /// The country code must exist and the length must be possible. Ranges are not checked: new ranges open faster than
    /// functions are deployed, and a registered user must be able to sign in.
    ///
    /// # Errors
    /// [`InvalidPhone`] for anything else: national form, letters, extensions.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        let text = text.trim();
        if !is_written_as_a_number(text) {
            return Err(InvalidPhone);
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let (plan, rest) = Plan::of(&digits).ok_or(InvalidPhone)?;
        let number = plan.read(rest).ok_or(InvalidPhone)?;
        let e164 = format!("+{}{number}", plan.code());
        if e164.len() <= 1 + MAX_DIGITS { Ok(Self(e164)) } else { Err(InvalidPhone) }
    }

    /// Restores a stored number without validating it again: the rules may have changed since.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the text is a plus followed by digits and separators, and ends in a digit.
fn is_written_as_a_number(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('+') else { return false };
    text.len() <= MAX_BYTES
        && rest.bytes().all(|byte| byte.is_ascii_digit() || b" -.()".contains(&byte))
        && rest.ends_with(|last: char| last.is_ascii_digit())
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
    fn spellings_of_a_number_are_equal() {
        for (e164, spellings) in [
            (
                "+250788123456",
                ["+250788123456", "+250 788 123 456", "+250-788-123-456", "+250 (788) 123.456", "+(250) 788123456"],
            ),
            (
                "+442079460958",
                [
                    "+442079460958",
                    "+44 20 7946 0958",
                    "+44 (0)20 7946 0958",
                    "+44 (0) 20-7946-0958",
                    "+44.20.7946.0958",
                ],
            ),
        ] {
            for spelling in spellings {
                assert_eq!(Phone::parse(spelling).unwrap().as_str(), e164, "{spelling}");
            }
        }
    }

    #[test]
    fn white_space_at_the_ends_is_ignored() {
        for spelling in [" +33612345678", "+33612345678 ", "\t+33612345678\r\n", "\u{a0}+33 6 12 34 56 78\u{3000}"] {
            assert_eq!(Phone::parse(spelling).unwrap().as_str(), "+33612345678", "{spelling:?}");
        }
    }

    #[test]
    fn leading_zero_of_the_number_is_kept() {
        assert_eq!(Phone::parse("+39 06 6982 0000").unwrap().as_str(), "+390669820000");
    }

    #[test]
    fn number_with_two_national_prefixes_is_rejected() {
        assert_eq!(Phone::parse("+44 (0)20 794 6583").unwrap().as_str(), "+44207946583");
        // Without one of them it would be a number that is read as another one.
        assert_eq!(Phone::parse("+44 00 20 794 6583"), Err(InvalidPhone));
    }

    #[test]
    fn number_in_unassigned_range_is_accepted() {
        assert_eq!(Phone::parse("+250700000000").unwrap().as_str(), "+250700000000");
    }

    #[test]
    fn invalid_phone_is_rejected() {
        let (long, separated) = (format!("+49{}", "1".repeat(14)), format!("+250{}788123456", " ".repeat(40)));
        for text in [
            "",
            "+",
            "+-",
            "+1234567",
            "+1234567890",
            "+123456789012345",
            "+1234567890123456",
            "+250 788 123",
            "+250 788 123 456 789",
            "+999 12 345 678",
            "33612345678",
            "0612345678",
            "0033612345678",
            "+0612345678",
            "+33612345678)",
            "++33612345678",
            "+33612345678+",
            "+1-800-FLOWERS",
            "+33612345678x7",
            "+33612345678 ext. 7",
            "+33612345678;ext=7",
            "+33612345678,7",
            "+33612345678#",
            "tel:+33612345678",
            "+٣٣٦١٢٣٤٥٦٧٨",
            "+33\u{a0}612345678",
            "+33\t612345678",
            &long,
            &separated,
        ] {
            assert_eq!(Phone::parse(text), Err(InvalidPhone), "{text:?}");
        }
    }

    #[test]
    fn phone_debug_output_is_redacted() {
        assert_eq!(format!("{:?}", Phone::parse("+33612345678").unwrap()), "[phone]");
    }
}
