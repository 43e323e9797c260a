//! Which passwords a person may choose.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::FromStr;

use contact::{Email, Phone};
use icu_normalizer::ComposingNormalizerBorrowed;
use kernel::Secret;

/// No stage may ask for less: so few are enough beside another factor, and where the password is all there is, 15 are due
/// (NIST SP 800-63B-4, section 3.1.1.2), which a deployment may ask for.
const LEAST_MIN_LENGTH: usize = 8;
/// Long enough for any pass phrase, and a bound on the work of hashing one.
const MAX_LENGTH: usize = 128;
/// A country code has no more digits (ITU-T E.164).
const COUNTRY_CODE_DIGITS: usize = 3;
/// What is tried first on anybody: see the licence beside it for where it comes from. One per line, in lower case, sorted.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password that its person may choose, in the one spelling that is hashed.
#[derive(Debug)]
pub struct Password(Secret<String>);

/// What is asked of a new password. There are no rules of composition: they make passwords worse (NIST SP 800-63B-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_length: usize,
}

/// The setting is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from {LEAST_MIN_LENGTH} to {MAX_LENGTH}")]
pub struct InvalidPasswordPolicy;

/// Why a password may not be chosen. All but the first are what anybody who wants to sign in as this person tries first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Fewer or more characters than may be.
    #[error("must have {min_length} to {MAX_LENGTH} characters")]
    Length {
        /// The fewest there may be.
        min_length: usize,
    },
    /// Many people have it.
    #[error("is one of the most common passwords, which are tried first: choose another")]
    Common,
    /// It is how the person is reached.
    #[error("must not be your e-mail address")]
    IsEmail,
    /// It is how the person is reached, but for the domain.
    #[error("must not be the part of your e-mail address before the @")]
    IsLocalPart,
    /// It is how the person is reached.
    #[error("must not be your phone number")]
    IsPhone,
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
    /// Takes a password for the person with these identifiers. A character is a Unicode scalar value, once the password
    /// is in the form in which it is hashed.
    ///
    /// # Errors
    ///
    /// [`InvalidPassword`] if it breaks a rule.
    pub fn accept(
        self,
        password: Secret<String>,
        email: Option<&Email>,
        phone: Option<&Phone>,
    ) -> Result<Password, InvalidPassword> {
        let password = normalized(password);
        if !(self.min_length..=MAX_LENGTH).contains(&password.expose().chars().count()) {
            return Err(InvalidPassword::Length { min_length: self.min_length });
        }
        let folded = Secret::new(password.expose().to_lowercase());
        if is_listed(COMMON, folded.expose()) {
            return Err(InvalidPassword::Common);
        }
        let password = Password(password);
        password.reject_identifiers(email, phone)?;
        Ok(password)
    }
}

impl Password {
    /// A password that somebody has already, whatever is asked of new ones today.
    pub fn existing(password: &Secret<String>) -> Self {
        Self(normalized(password.clone()))
    }

    /// Whether somebody who types this types the password.
    pub fn is(&self, typed: &Secret<String>) -> bool {
        self.0 == normalized(typed.clone())
    }

    /// Whether it is none of what the person is reached by.
    ///
    /// # Errors
    ///
    /// [`InvalidPassword`], which says what it is.
    pub fn reject_identifiers(&self, email: Option<&Email>, phone: Option<&Phone>) -> Result<(), InvalidPassword> {
        let folded = Secret::new(self.0.expose().to_lowercase());
        let is = |text: &str| folded.expose() == text;
        if email.is_some_and(|email| is(email.as_str())) {
            return Err(InvalidPassword::IsEmail);
        }
        let local_part = email.and_then(|email| email.as_str().rsplit_once('@')).map(|(local_part, _)| local_part);
        if local_part.is_some_and(is) {
            return Err(InvalidPassword::IsLocalPart);
        }
        if phone.is_some_and(|phone| is_number(self.0.expose(), phone)) {
            return Err(InvalidPassword::IsPhone);
        }
        Ok(())
    }

    /// The password itself, to be hashed.
    pub(super) const fn secret(&self) -> &Secret<String> {
        &self.0
    }
}

/// The one spelling of a password that is typed as different code points on different keyboards (Unicode NFC; RFC
/// 8265, section 4.2).
pub(super) fn normalized(password: Secret<String>) -> Secret<String> {
    let composed = match ComposingNormalizerBorrowed::new_nfc().normalize(password.expose()) {
        Cow::Borrowed(_) => None,
        Cow::Owned(composed) => Some(Secret::new(composed)),
    };
    composed.unwrap_or(password)
}

/// Whether a sorted text has this line, in as many steps as its length has binary digits.
fn is_listed(sorted: &str, line: &str) -> bool {
    let mut rest = sorted;
    while let Some(before_middle) = rest.get(..rest.len() / 2) {
        let start = before_middle.rfind('\n').map_or(0, |end| end + 1);
        let (before, from_start) = rest.split_at(start);
        let Some((middle, after)) = from_start.split_once('\n') else { return false };
        rest = match line.cmp(middle) {
            Ordering::Less => before,
            Ordering::Equal => return true,
            Ordering::Greater => after,
        };
    }
    false
}

/// Whether a text is this number, however it is written: in any international spelling, or as its digits alone, with or
/// without the country code or what is dialled before it.
fn is_number(text: &str, phone: &Phone) -> bool {
    let is_separated_digits = text.chars().all(|character| character.is_ascii_digit() || " +-./()".contains(character));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (written, number) = (digits.trim_start_matches('0'), phone.as_str().trim_start_matches('+'));
    let is_its_end = number.ends_with(written) && written.len() + COUNTRY_CODE_DIGITS >= number.len();
    is_separated_digits && (is_its_end || Phone::parse(text).as_ref() == Ok(phone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn accept(password: &str) -> Result<Password, InvalidPassword> {
        let policy: PasswordPolicy = "8".parse().unwrap();
        let email = Email::parse("ada.lovelace@example.com").unwrap();
        let phone = Phone::parse("+33612345678").unwrap();
        policy.accept(secret(password), Some(&email), Some(&phone))
    }

    #[test]
    fn a_password_is_measured_in_characters_and_taken_whole() {
        for password in ["8 chars.", "пароль из слов", &"🔑".repeat(8), &"é".repeat(128), "        "] {
            assert_eq!(accept(password).unwrap().secret().expose(), password);
        }
        for password in ["", "7 chars", &"🔑".repeat(7), &"a".repeat(129)] {
            assert_eq!(accept(password).unwrap_err(), InvalidPassword::Length { min_length: 8 }, "{password}");
        }
    }

    #[test]
    fn a_password_is_the_same_in_every_spelling_and_is_measured_in_the_shortest() {
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        for one in [composed, decomposed] {
            let password = accept(one).unwrap();
            assert_eq!(password.secret().expose(), composed);
            assert!(
                password.is(&secret(composed)) && password.is(&secret(decomposed)) && !password.is(&secret("creme"))
            );
            assert_eq!(Password::existing(&secret(one)).secret(), password.secret());
        }
        assert!(accept(&"e\u{301}".repeat(128)).is_ok());
        assert_eq!(accept(&"e\u{301}".repeat(7)).unwrap_err(), InvalidPassword::Length { min_length: 8 });
    }

    #[test]
    fn what_many_people_have_is_refused_in_any_letter_case_and_what_contains_it_is_not() {
        for password in ["password", "PassWord1", "1234567890", "QWERTYUIOP", "sunshine"] {
            assert_eq!(accept(password).unwrap_err(), InvalidPassword::Common, "{password}");
        }
        assert!(accept("a password that is long enough").is_ok());
    }

    #[test]
    fn the_list_is_searched_as_it_has_to_be_and_every_line_of_it_is_found() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted() && lines.len() > 3_000, "NIST and OWASP ask for no fewer");
        for line in &lines {
            assert!(line.chars().count() >= LEAST_MIN_LENGTH && *line == line.to_lowercase(), "{line:?}");
            assert!(is_listed(COMMON, line), "{line:?}");
            assert!(!is_listed(COMMON, &format!("{line}\u{7f}")), "{line:?}");
        }
        assert!(!is_listed(COMMON, "") && !is_listed(COMMON, "\u{7f}") && !is_listed("", "password"));
    }

    #[test]
    fn a_persons_own_identifiers_are_refused_and_the_refusal_says_which() {
        for (password, refused) in [
            ("ada.lovelace@example.com", InvalidPassword::IsEmail),
            ("ADA.Lovelace@Example.com", InvalidPassword::IsEmail),
            ("Ada.Lovelace", InvalidPassword::IsLocalPart),
            ("+33612345678", InvalidPassword::IsPhone),
            ("+33 6 12 34 56 78", InvalidPassword::IsPhone),
            ("+33 (0)6 12 34 56 78", InvalidPassword::IsPhone),
            ("33612345678", InvalidPassword::IsPhone),
            ("0033612345678", InvalidPassword::IsPhone),
            ("06.12.34.56.78", InvalidPassword::IsPhone),
            ("612345678", InvalidPassword::IsPhone),
        ] {
            assert_eq!(accept(password).unwrap_err(), refused, "{password}");
        }
        for password in ["ada.lovelace@example.com!", "lovelace", "+33612345679", "0612345678!", "(2345678)"] {
            assert!(accept(password).is_ok(), "{password}");
        }
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
