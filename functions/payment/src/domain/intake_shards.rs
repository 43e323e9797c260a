//! How many at once may pay an account.

/// Into how many shards, beside its own item, an account takes in money. A transaction holds what it writes, so an account
/// takes in one payment in the time of a transaction; each shard takes in another one meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeShards(u8);

/// The number is not one of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {}", IntakeShards::MOST)]
pub struct InvalidIntakeShards;

impl IntakeShards {
    /// The most there may be: all of them are read when money is spent.
    pub const MOST: u8 = 16;

    /// So many.
    ///
    /// # Errors
    ///
    /// [`InvalidIntakeShards`] for less than one or more than [`MOST`](Self::MOST).
    pub fn new(count: i64) -> Result<Self, InvalidIntakeShards> {
        let count = u8::try_from(count).map_err(|_| InvalidIntakeShards)?;
        if (1..=Self::MOST).contains(&count) { Ok(Self(count)) } else { Err(InvalidIntakeShards) }
    }

    /// How many.
    pub const fn count(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_one_to_sixteen() {
        for (count, good) in
            [(-1, false), (0, false), (1, true), (16, true), (17, false), (256, false), (i64::MAX, false)]
        {
            assert_eq!(IntakeShards::new(count).is_ok(), good, "{count}");
        }
    }
}
