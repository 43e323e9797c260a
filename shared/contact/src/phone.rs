//! Phone numbers.

use std::fmt;

use crate::numbering_plan::Plan;

/// The most digits of a number (ITU-T E.164, section 6).
const MAX_DIGITS: usize = 15;
/// More than anybody separates so many digits by.
const MAX_BYTES: usize = 40;

/// A phone number in the form of E.164: a plus, a country code, and no separators. It does not print itself.
#[derive(Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(pattern = "^\\+[1-9][0-9]{1,14}$", example = "+250788123456", description = "A phone number, E.164.")]
pub struct Phone(String);

/// The text is not a phone number in international form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in international form (E.164), such as +250788123456")]
pub struct InvalidPhone;

impl Phone {
    /// Reads a number in international form: a plus, the country code and the number, with spaces, hyphens, dots and
    /// brackets wherever people put them. All spellings of one number are the same `Phone`, also the one with a national
    /// `(0)` that is not dialled from abroad.
    ///
    /// The country code must exist, and the number must be as long as numbers are there. Whether it is in a range that
    /// is in use is not asked: new ranges open faster than functions are deployed, and one who has signed up must be
    /// able to sign in.
    ///
    /// # Errors
    ///
    /// [`InvalidPhone`] for anything else: national form, letters, extensions.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        if !is_written_as_a_number(text) {
            return Err(InvalidPhone);
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let (plan, rest) = Plan::of(&digits).ok_or(InvalidPhone)?;
        let number = plan.read(rest).ok_or(InvalidPhone)?;
        let e164 = format!("+{}{number}", plan.code());
        if e164.len() <= 1 + MAX_DIGITS { Ok(Self(e164)) } else { Err(InvalidPhone) }
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

/// Whether the text is a plus, then digits and what people separate them by, and a digit last.
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
    fn every_spelling_of_a_number_is_the_same_number() {
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
    fn a_zero_that_belongs_to_the_number_stays() {
        assert_eq!(Phone::parse("+39 06 6982 0000").unwrap().as_str(), "+390669820000");
    }

    #[test]
    fn a_number_in_a_range_that_is_not_in_use_yet_is_read() {
        assert_eq!(Phone::parse("+250700000000").unwrap().as_str(), "+250700000000");
    }

    #[test]
    fn what_is_not_such_a_number_is_refused() {
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
            "+33612345678 ",
            " +33612345678",
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
    fn a_number_does_not_print_itself() {
        assert_eq!(format!("{:?}", Phone::parse("+33612345678").unwrap()), "[phone]");
    }
}
