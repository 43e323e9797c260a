//! Cursors of lists that are sorted from newest to oldest.

use std::fmt;
use std::str::FromStr;

use kernel::Timestamp;

/// The position of an entry: its creation time and its id. Printed cursors sort by creation time; entries of the same
/// millisecond sort by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: Timestamp,
    pub id: String,
}

/// The text is not a printed cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct InvalidCursor;

impl Cursor {
    pub fn new(created_at: Timestamp, id: impl fmt::Display) -> Self {
        Self { created_at, id: id.to_string() }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    /// Parses the printed form, which has at most 128 bytes.
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (created_at, id) = text.split_once('#').ok_or(InvalidCursor)?;
        let created_at = Timestamp::parse(created_at).map_err(|_| InvalidCursor)?;
        let cursor = Self { created_at, id: id.to_owned() };
        if !id.is_empty() && text.len() <= 128 && cursor.to_string() == text { Ok(cursor) } else { Err(InvalidCursor) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.created_at, self.id)
    }
}
