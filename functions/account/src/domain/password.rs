//! Passwords, and the rules for choosing one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::str::FromStr;

use contact::{Email, Phone};
use icu_normalizer::ComposingNormalizerBorrowed;
use kernel::Secret;

/// The lowest minimum length that a deployment may configure. NIST SP 800-63B-4, section 3.1.1.2, requires 8 characters
/// for a password used with a second factor, and 15 for one that is the only factor.
const LEAST_MIN_LENGTH: usize = 8;
/// Long enough for any passphrase, and a bound on the cost of hashing.
const MAX_LENGTH: usize = 128;
/// The maximum number of digits of a country code (ITU-T E.164).
const MAX_COUNTRY_CODE_DIGITS: usize = 3;
/// The most common passwords, which attackers try first: one per line, in lower case, sorted. The licence file next to
/// it names the source.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password in the Unicode normalization form that is hashed.
#[derive(Debug)]
pub struct Password(Secret<String>);

/// The requirements of a new password. There are no composition rules: they make passwords weaker (NIST SP 800-63B-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_length: usize,
}

/// The text is not a valid password policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from {LEAST_MIN_LENGTH} to {MAX_LENGTH}")]
pub struct InvalidPasswordPolicy;

/// A password may not be chosen. All reasons but the length are values that an attacker tries first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("must have {min_length} to {MAX_LENGTH} characters")]
    Length { min_length: usize },
    #[error("is one of the most common passwords, which attackers try first: choose another")]
    Common,
    #[error("must not be your e-mail address")]
    IsEmail,
    #[error("must not be the part of your e-mail address before the @")]
    IsLocalPart,
    #[error("must not be your phone number")]
    IsPhone,
}

impl FromStr for PasswordPolicy {
    type Err = InvalidPasswordPolicy;

    /// Parses the minimum number of characters.
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
    /// Checks a new password for a user with these identifiers. Its length is counted in Unicode scalar values of its
    /// normalized form.
    ///
    /// # Errors
    ///
    /// [`InvalidPassword`] if the password violates a rule.
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
    /// Wraps a password that is in use already, without checking it against the current policy.
    pub fn existing(password: &Secret<String>) -> Self {
        Self(normalized(password.clone()))
    }

    /// Whether `typed` is this password, in any Unicode normalization form.
    pub fn matches(&self, typed: &Secret<String>) -> bool {
        self.0 == normalized(typed.clone())
    }

    /// Rejects a password that equals the user's e-mail address, its local part, or the user's phone number.
    ///
    /// # Errors
    ///
    /// [`InvalidPassword`] naming the identifier.
    pub fn reject_identifiers(&self, email: Option<&Email>, phone: Option<&Phone>) -> Result<(), InvalidPassword> {
        let folded = Secret::new(self.0.expose().to_lowercase());
        let spellings =
            email.map(|email| [email.as_str().to_owned(), email.typed().unwrap_or_default().to_lowercase()]);
        for spelling in spellings.iter().flatten() {
            if folded.expose() == spelling {
                return Err(InvalidPassword::IsEmail);
            }
            if spelling.rsplit_once('@').is_some_and(|(local_part, _)| folded.expose() == local_part) {
                return Err(InvalidPassword::IsLocalPart);
            }
        }
        if phone.is_some_and(|phone| is_number(self.0.expose(), phone)) {
            return Err(InvalidPassword::IsPhone);
        }
        Ok(())
    }

    pub(super) const fn secret(&self) -> &Secret<String> {
        &self.0
    }
}

/// Normalizes a password to Unicode NFC, since keyboards produce different code points for the same characters (RFC
/// 8265, section 4.2).
pub(super) fn normalized(password: Secret<String>) -> Secret<String> {
    let composed = match ComposingNormalizerBorrowed::new_nfc().normalize(password.expose()) {
        Cow::Borrowed(_) => None,
        Cow::Owned(composed) => Some(Secret::new(composed)),
    };
    composed.unwrap_or(password)
}

/// Whether a text of sorted lines contains this line, by binary search.
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

/// Whether a text is this phone number in any format: international, or its digits with or without the country code or
/// a trunk prefix.
fn is_number(text: &str, phone: &Phone) -> bool {
    let is_separated_digits = text.chars().all(|character| character.is_ascii_digit() || " +-./()".contains(character));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (written, number) = (digits.trim_start_matches('0'), phone.as_str().trim_start_matches('+'));
    let is_suffix = number.ends_with(written) && written.len() + MAX_COUNTRY_CODE_DIGITS >= number.len();
    is_separated_digits && (is_suffix || Phone::parse(text).as_ref() == Ok(phone))
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
    fn password_length_is_counted_in_characters_untruncated() {
        for password in ["8 chars.", "пароль из слов", &"🔑".repeat(8), &"é".repeat(128), "        "] {
            assert_eq!(accept(password).unwrap().secret().expose(), password);
        }
        for password in ["", "7 chars", &"🔑".repeat(7), &"a".repeat(129)] {
            assert_eq!(accept(password).unwrap_err(), InvalidPassword::Length { min_length: 8 }, "{password}");
        }
    }

    #[test]
    fn password_is_normalized_to_nfc_before_its_length_is_checked() {
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        for one in [composed, decomposed] {
            let password = accept(one).unwrap();
            assert_eq!(password.secret().expose(), composed);
            assert!(
                password.matches(&secret(composed))
                    && password.matches(&secret(decomposed))
                    && !password.matches(&secret("creme"))
            );
            assert_eq!(Password::existing(&secret(one)).secret(), password.secret());
        }
        assert!(accept(&"e\u{301}".repeat(128)).is_ok());
        assert_eq!(accept(&"e\u{301}".repeat(7)).unwrap_err(), InvalidPassword::Length { min_length: 8 });
    }

    #[test]
    fn common_password_is_rejected_in_any_letter_case() {
        for password in ["password", "PassWord1", "1234567890", "QWERTYUIOP", "sunshine"] {
            assert_eq!(accept(password).unwrap_err(), InvalidPassword::Common, "{password}");
        }
        assert!(accept("a password that is long enough").is_ok());
    }

    #[test]
    fn common_password_list_is_sorted_and_every_entry_is_found() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted() && lines.len() > 3_000, "NIST and OWASP require at least 3,000");
        for line in &lines {
            assert!(line.chars().count() >= LEAST_MIN_LENGTH && *line == line.to_lowercase(), "{line:?}");
            assert!(is_listed(COMMON, line), "{line:?}");
            assert!(!is_listed(COMMON, &format!("{line}\u{7f}")), "{line:?}");
        }
        assert!(!is_listed(COMMON, "") && !is_listed(COMMON, "\u{7f}") && !is_listed("", "password"));
    }

    #[test]
    fn password_equal_to_own_identifier_is_rejected() {
        for (password, expected) in [
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
            assert_eq!(accept(password).unwrap_err(), expected, "{password}");
        }
        for password in ["ada.lovelace@example.com!", "lovelace", "+33612345679", "0612345678!", "(2345678)"] {
            assert!(accept(password).is_ok(), "{password}");
        }
    }

    #[test]
    fn password_equal_to_any_spelling_of_own_email_is_rejected() {
        let email = Email::parse("\"Ada.Byron\"@m\u{fc}nchen.example").unwrap();
        let policy: PasswordPolicy = "8".parse().unwrap();
        for (password, expected) in [
            ("ada.byron@xn--mnchen-3ya.example", InvalidPassword::IsEmail),
            ("\"Ada.Byron\"@m\u{fc}nchen.example", InvalidPassword::IsEmail),
            ("ada.byron", InvalidPassword::IsLocalPart),
            ("\"Ada.Byron\"", InvalidPassword::IsLocalPart),
        ] {
            let outcome = policy.accept(Secret::new(password.to_owned()), Some(&email), None);
            assert_eq!(outcome.unwrap_err(), expected, "{password}");
        }
    }

    #[test]
    fn password_policy_accepts_min_length_8_to_128() {
        for text in ["8", "128"] {
            assert!(text.parse::<PasswordPolicy>().is_ok(), "{text}");
        }
        for text in ["", "7", "129", "-8", "eight"] {
            assert_eq!(text.parse::<PasswordPolicy>(), Err(InvalidPasswordPolicy), "{text}");
        }
    }
}
