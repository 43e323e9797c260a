//! E-mail addresses.

use std::fmt;

use email_address::{EmailAddress, Options};
use icu_normalizer::uts46::Uts46MapperBorrowed;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// The maximum length (RFC 5321, section 4.5.3.1.3, without the angle brackets of the path).
const MAX_BYTES: usize = 254;
/// The maximum length of the input. A full-width letter has three bytes.
const MAX_INPUT_BYTES: usize = 3 * MAX_BYTES;

/// The prefix of a label in Punycode (RFC 5890).
const ACE_PREFIX: &str = "xn--";
/// What the mapping returns for a character that may not occur.
const DISALLOWED: char = char::REPLACEMENT_CHARACTER;

/// An e-mail address. Every spelling of an address has one canonical form, which is compared, stored as key and sent to; see
/// docs/adr/0020-canonical-email-addresses.md. `Debug` is redacted.
#[derive(Clone, utoipa::ToSchema)]
#[schema(value_type = String, format = Email, max_length = 254, example = "ada@example.com", description = "An e-mail address.")]
pub struct Email(Spellings);

#[derive(Clone)]
struct Spellings {
    canonical: String,
    /// The user's own, if it differs from the canonical one by more than letter case.
    typed: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most 254 characters, such as ada@example.com")]
pub struct InvalidEmail;

impl Email {
    /// Parses an address: without a display name, and with a domain that has a top level. White space at the ends is ignored.
    ///
    /// The canonical form is in lower case: RFC 5321 allows case-sensitive local parts, but no mail provider in use has them.
    /// Its domain is in ASCII (UTS 46), other characters of the local part are mapped in the same way, and a local part is
    /// quoted only where it has to be.
    ///
    /// # Errors
    /// [`InvalidEmail`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let typed = text.trim();
        if typed.len() > MAX_INPUT_BYTES {
            return Err(InvalidEmail);
        }
        let canonical = canonical(typed).ok_or(InvalidEmail)?;
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        if canonical.len() > MAX_BYTES || EmailAddress::parse_with_options(&canonical, options).is_err() {
            return Err(InvalidEmail);
        }
        let typed = (typed.to_lowercase() != canonical).then(|| typed.to_owned());
        Ok(Self(Spellings { canonical, typed }))
    }

    /// Restores a stored address without validating it again: the rules may have changed since.
    pub fn from_stored(canonical: impl Into<String>, typed: Option<String>) -> Self {
        Self(Spellings { canonical: canonical.into(), typed })
    }

    /// Returns the canonical form.
    pub fn as_str(&self) -> &str {
        &self.0.canonical
    }

    /// Returns the user's own spelling, if it differs from the canonical form by more than letter case. To be shown to the
    /// user, and for nothing else.
    pub fn typed(&self) -> Option<&str> {
        self.0.typed.as_deref()
    }
}

/// Spellings of one address are equal.
impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Email {}

fn canonical(text: &str) -> Option<String> {
    // Full-width and small forms of the sign are its compatibility equivalents.
    let (local, domain) = text.rsplit_once(['@', '\u{ff20}', '\u{fe6b}'])?;
    Some(format!("{}@{}", local_part(local)?, ascii_domain(domain)?))
}

fn local_part(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else { return mapped(text) };
    let content = mapped(&unquoted(quoted.strip_suffix('"')?)?)?;
    if !content.starts_with('"') && EmailAddress::is_valid_local_part(&content) {
        return Some(content);
    }
    Some(format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// The content of a quoted string (RFC 5321, section 4.1.2): `\x` stands for `x`.
fn unquoted(quoted: &str) -> Option<String> {
    let mut content = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => content.push(characters.next()?),
            '"' => return None,
            plain => content.push(plain),
        }
    }
    Some(content)
}

/// Maps to lower case and compatibility equivalents, in Normalization Form C, and without characters that are ignorable.
fn mapped(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_ascii_lowercase());
    }
    let mapped: String = Uts46MapperBorrowed::new().map_normalize(text.chars()).collect();
    (!mapped.contains(DISALLOWED)).then_some(mapped)
}

fn ascii_domain(text: &str) -> Option<String> {
    let domain = text.to_ascii_lowercase();
    if domain.is_ascii() && !domain.contains(ACE_PREFIX) {
        return Some(domain);
    }
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    ascii.ok().map(std::borrow::Cow::into_owned)
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
    fn spellings_of_a_mailbox_are_equal() {
        for (canonical, spellings) in [
            (
                "ada@example.com",
                &[
                    "ada@example.com",
                    " ADA@EXAMPLE.COM\t\r\n",
                    "\u{3000}ada@example.com\u{a0}",
                    "\"ada\"@example.com",
                    "\"\\a\\d\\A\"@Example.com",
                    "ada@\u{ff45}\u{ff58}\u{ff41}mple.com",
                    "\u{ff21}\u{ff44}\u{ff41}\u{ff20}example\u{ff0e}com",
                    "ada@example\u{3002}com",
                    "\u{200b}ada@example.com\u{feff}",
                    "ada@ex\u{ad}ample.com",
                ][..],
            ),
            (
                "ada@xn--mnchen-3ya.example",
                &[
                    "ada@m\u{fc}nchen.example",
                    "Ada@M\u{dc}NCHEN.Example",
                    "ada@mu\u{308}nchen.example",
                    "ada@XN--MNCHEN-3YA.example",
                    "ada@xn--mnchen-3ya.example",
                ],
            ),
            (
                "jos\u{e9}@example.com",
                &[
                    "jos\u{e9}@example.com",
                    "JOS\u{c9}@example.com",
                    "jose\u{301}@example.com",
                    "\"Jose\u{301}\"@example.com",
                ],
            ),
            ("\"ada lovelace\"@example.com", &["\"ada lovelace\"@example.com", "\"Ada\\ Love\\lace\"@example.com"]),
            ("\"a\\\"b\\\\\"@example.com", &["\"a\\\"b\\\\\"@example.com", "\"\\a\\\"\\b\\\\\"@example.com"]),
            ("\"a@b\"@example.com", &["\"A@b\"@example.com"]),
            ("ada@xn--strae-oqa.example", &["ada@stra\u{df}e.example", "ada@STRA\u{1e9e}E.example"]),
            ("ada@xn--wgv71a119e.example", &["ada@\u{65e5}\u{672c}\u{8a9e}.example"]),
        ] {
            for spelling in spellings {
                let email = Email::parse(spelling).unwrap_or_else(|_| panic!("{spelling:?}"));
                assert_eq!(email.as_str(), canonical, "{spelling:?}");
                assert_eq!(Email::parse(email.as_str()).unwrap().as_str(), canonical);
                assert!(email.as_str().rsplit_once('@').unwrap().1.is_ascii());
            }
        }
    }

    #[test]
    fn different_mailboxes_stay_different() {
        let addresses = [
            "ada@example.com",
            "a.da@example.com",
            "ada+bank@example.com",
            "ada@example.org",
            "ada@mail.example.com",
            "adá@example.com",
            "\u{430}da@example.com",
            "ada@strasse.example",
            "ada@stra\u{df}e.example",
            "xn--jos-dma@example.com",
            "jos\u{e9}@example.com",
        ];
        for (index, one) in addresses.iter().enumerate() {
            for other in addresses.iter().skip(index + 1) {
                assert_ne!(Email::parse(one).unwrap(), Email::parse(other).unwrap(), "{one} {other}");
            }
        }
    }

    /// Keys of stored users: an ASCII address is its own canonical form, as it was before others were mapped.
    #[test]
    fn ascii_address_is_canonical_in_lower_case() {
        for address in [
            "Ada.Lovelace+bank@Example.COM",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "a@b.co",
            "ada@a-b.c--d.example",
            "ada@r3---sn.example",
            "ada@a_b.example",
            "ada@1.2.3.example",
            "ada@xn--mnchen-3ya.example",
            "ADA@xn--p1ai.XN--P1AI",
        ] {
            let email = Email::parse(address).unwrap();
            assert_eq!((email.as_str(), email.typed()), (address.to_lowercase().as_str(), None));
        }
    }

    #[test]
    fn spelling_is_kept_unless_only_letter_case_differs() {
        for (typed, kept) in [
            ("Ada@Example.com", None),
            (" ada@example.com ", None),
            ("JOS\u{c9}@example.com", None),
            (" Ada@M\u{fc}nchen.example ", Some("Ada@M\u{fc}nchen.example")),
            ("\"Ada\"@example.com", Some("\"Ada\"@example.com")),
        ] {
            let email = Email::parse(typed).unwrap();
            assert_eq!(email.typed(), kept, "{typed}");
            assert_eq!(Email::from_stored(email.as_str(), email.typed().map(str::to_owned)), email);
        }
    }

    #[test]
    fn invalid_email_is_rejected() {
        let long = format!("{}@{}.com", "a".repeat(64), "b".repeat(200));
        let spaces = format!("ada@example.{}", "\u{200b}".repeat(MAX_INPUT_BYTES));
        for text in [
            "",
            " ",
            "ada",
            "ada@",
            "@example.com",
            "\"\"@example.com",
            "ada@example",
            "ada@@example.com",
            "ada\u{ff20}@example.com",
            "ada lovelace@example.com",
            "ada\u{a0}lovelace@example.com",
            "ada@exam ple.com",
            "ada@example.com.",
            "ada@.example.com",
            "ada@example..com",
            "Ada <ada@example.com>",
            "ada@[192.0.2.1]",
            "\"ada@example.com",
            "ada\"@example.com",
            "\"a\"da\"@example.com",
            "\"ada\\\"@example.com",
            "\"a\u{0}\"@example.com",
            "ada\u{2028}@example.com",
            "ada\u{202e}@example.com",
            "ada\u{e000}@example.com",
            "ada@xn--a.example",
            "ada@xn--.example",
            "ada@\u{2100}.example",
            "ada@a\u{202e}b.example",
            "ada@\u{301}a.example",
            "ada@-\u{e9}.example",
            "ada@a_\u{e9}.example",
            &format!("ada@{}.example", "\u{e9}".repeat(63)),
            &spaces,
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
