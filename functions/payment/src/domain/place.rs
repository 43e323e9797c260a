//! Places in a list that runs from the newest to the oldest.

use std::fmt;

use kernel::Timestamp;

/// A place in such a list: where the thing of this id stands that was made at this time. Texts of places sort as the
/// things were made; things of the same millisecond, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When the thing was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: String,
}

impl Place {
    /// Where a thing stands.
    pub fn of(created_at: Timestamp, id: impl fmt::Display) -> Self {
        Self { created_at, id: id.to_string() }
    }

    /// Reads a place in the form in which it is printed.
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once('#')?;
        let place = Self { created_at: Timestamp::parse(created_at).ok()?, id: id.to_owned() };
        (!id.is_empty() && text.len() <= 128 && place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.created_at, self.id)
    }
}
