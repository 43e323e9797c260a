//! Closings: the balance of an account at the end of a day, chained by digests.
//!
//! A closing is never changed, so its encoding is permanent. A digest is SHA-256, base64url-encoded without padding. Lengths
//! are 8 bytes, big-endian; text is UTF-8.
//!
//! | digest | of |
//! |---|---|
//! | entries of a day | for each transfer, oldest first: the length of its encoding, and the encoding |
//! | closing | `closing/1`, account, day, opening balance, closing balance, number of transfers, digest of the entries, digest of the previous closing or nothing; each preceded by its length, numbers in decimal |
//!
//! The encoding of a transfer has every attribute of the stored item, sorted by name: name, type (`S` or `N`) and value, each
//! preceded by its length.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::PaymentAccountId;

/// The version of the encoding.
const ENCODING: &str = "closing/1";

/// The length of a printed day.
const DAY_LENGTH: usize = 10;

/// A day in UTC, such as `2026-01-31`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(String);

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day, such as 2026-01-31")]
pub struct InvalidDay;

impl Day {
    pub fn of(at: Timestamp) -> Self {
        Self(at.to_string().chars().take(DAY_LENGTH).collect())
    }

    /// The end of the day, exclusive.
    ///
    /// # Errors
    ///
    /// [`InvalidDay`] after the year 9999.
    pub fn end(&self) -> Result<Timestamp, InvalidDay> {
        let start = Timestamp::parse(&format!("{}T00:00:00Z", self.0)).map_err(|_| InvalidDay)?;
        Ok(start.plus(std::time::Duration::from_hours(24)))
    }
}

impl TryFrom<String> for Day {
    type Error = InvalidDay;

    fn try_from(text: String) -> Result<Self, InvalidDay> {
        let day = Self(text);
        if day.0.len() == DAY_LENGTH { day.end().map(|_| day) } else { Err(InvalidDay) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest, base64url-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    fn of(context: Context) -> Self {
        Self(URL_SAFE_NO_PAD.encode(context.finish()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of the entries of a day, which are added oldest first.
#[derive(Clone)]
pub struct EntriesDigest(Context);

impl EntriesDigest {
    /// Adds the encoding of an entry.
    pub fn add(&mut self, encoding: &[u8]) {
        self.0.update(&length(encoding));
        self.0.update(encoding);
    }

    pub fn finish(self) -> Digest {
        Digest::of(self.0)
    }
}

impl Default for EntriesDigest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl fmt::Debug for EntriesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntriesDigest").finish_non_exhaustive()
    }
}

/// The encoding of a stored transfer: the name, the type and the value of each attribute, sorted by name.
pub fn encode_entry<'a>(sorted: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Vec<u8> {
    let mut encoding = Vec::new();
    for (name, kind, value) in sorted {
        for part in [name, kind, value] {
            encoding.extend(length(part.as_bytes()));
            encoding.extend(part.as_bytes());
        }
    }
    encoding
}

fn length(bytes: &[u8]) -> [u8; 8] {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes()
}

/// The balances of an account at the beginning and at the end of a day on which it had transfers, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    pub day: Day,
    pub opening_balance: i64,
    pub closing_balance: i64,
    /// The number of transfers.
    pub transfers: u64,
    pub entries_digest: Digest,
    /// The digest of the account's previous closing, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<Digest>,
}

impl Closing {
    pub fn digest(&self, account: &PaymentAccountId) -> Digest {
        let mut context = Context::new(&SHA256);
        let previous = self.previous_digest.as_ref().map(Digest::to_string).unwrap_or_default();
        for part in [
            ENCODING,
            account.as_str(),
            &self.day.0,
            &self.opening_balance.to_string(),
            &self.closing_balance.to_string(),
            &self.transfers.to_string(),
            &self.entries_digest.0,
            &previous,
        ] {
            context.update(&length(part.as_bytes()));
            context.update(part.as_bytes());
        }
        Digest::of(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Result<Day, InvalidDay> {
        Day::try_from(text.to_owned())
    }

    fn account(id: &str) -> PaymentAccountId {
        PaymentAccountId::parse(id).unwrap()
    }

    fn closing() -> Closing {
        let mut entries = EntriesDigest::default();
        entries.add(&encode_entry([("amount", "N", "5"), ("pk", "S", "TRANSFER#1")]));
        Closing {
            day: day("2026-01-31").unwrap(),
            opening_balance: 0,
            closing_balance: 5,
            transfers: 1,
            entries_digest: entries.finish(),
            previous_digest: None,
        }
    }

    #[test]
    fn day_ends_at_midnight_in_utc() {
        let at = Timestamp::parse("2026-02-01T00:30:00+01:00").unwrap();
        assert_eq!(Day::of(at).to_string(), "2026-01-31");
        assert_eq!(Day::of(at).end().unwrap().to_string(), "2026-02-01T00:00:00.000Z");
    }

    #[test]
    fn malformed_day_is_rejected() {
        for text in ["", "2026-02-30", "2026-1-31", "2026-01-31T12", "yesterday!"] {
            assert_eq!(day(text), Err(InvalidDay), "{text}");
        }
    }

    /// Digests are stored. Another encoding needs another version.
    #[test]
    fn digests_of_a_known_closing_are_unchanged() {
        let closing = closing();
        assert_eq!(closing.entries_digest.to_string(), "I3Oy6KAKurgBj4Eg3C-cTbScH8LsoPNJmX8Llajk5vo");
        assert_eq!(closing.digest(&account("a")).to_string(), "9Z071wmNBK5gaFj8-k8NgmMMM4TODJSJ3tEvI1pmj8w");
        let next = Closing { previous_digest: Some(closing.digest(&account("a"))), ..closing };
        assert_eq!(next.digest(&account("a")).to_string(), "wXI8z2hBgxj2ryBNSvPMncRGn6dYIL2GmjFrrSVhbEo");
    }

    #[test]
    fn digest_depends_on_every_field_and_the_account() {
        let one = closing();
        let others = [
            Closing { day: day("2026-02-01").unwrap(), ..one.clone() },
            Closing { opening_balance: 1, ..one.clone() },
            Closing { closing_balance: 6, ..one.clone() },
            Closing { transfers: 2, ..one.clone() },
            Closing { entries_digest: EntriesDigest::default().finish(), ..one.clone() },
            Closing { previous_digest: Some(one.entries_digest.clone()), ..one.clone() },
        ];
        for other in others {
            assert_ne!(other.digest(&account("a")), one.digest(&account("a")), "{other:?}");
        }
        assert_ne!(one.digest(&account("b")), one.digest(&account("a")));
    }

    #[test]
    fn digest_depends_on_the_boundaries_of_entries() {
        let digest = |entries: &[&[u8]]| {
            let mut digest = EntriesDigest::default();
            for entry in entries {
                digest.add(entry);
            }
            digest.finish()
        };
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(encode_entry([("a", "S", "bc")]), encode_entry([("ab", "S", "c")]));
    }
}
