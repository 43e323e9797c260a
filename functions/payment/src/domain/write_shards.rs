//! The number of write shards of an account.

use serde::{Deserialize, Serialize};

/// The number of write shards that an account has beside its own item, 1 to [`MAX`](Self::MAX). Concurrent transactions on
/// one item conflict, so an account without shards receives one transfer at a time; each shard receives one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct WriteShards(u8);

/// The number of shards is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {}", WriteShards::MAX)]
pub struct InvalidWriteShards;

/// The number of shards is out of range, where there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 0 to {}", WriteShards::MAX)]
pub struct InvalidShardNumber;

impl WriteShards {
    /// The maximum. All shards are read when the account's own balance is insufficient for a debit.
    pub const MAX: u8 = 16;

    /// # Errors
    ///
    /// [`InvalidWriteShards`] outside 1 to [`MAX`](Self::MAX).
    pub fn new(count: i64) -> Result<Self, InvalidWriteShards> {
        let count = u8::try_from(count).map_err(|_| InvalidWriteShards)?;
        if (1..=Self::MAX).contains(&count) { Ok(Self(count)) } else { Err(InvalidWriteShards) }
    }

    /// Parses a number that may be 0, for no shards.
    ///
    /// # Errors
    ///
    /// [`InvalidShardNumber`] outside 0 to [`MAX`](Self::MAX).
    pub fn or_none(count: i64) -> Result<Option<Self>, InvalidShardNumber> {
        if count == 0 { Ok(None) } else { Self::new(count).map(Some).map_err(|_| InvalidShardNumber) }
    }

    pub const fn count(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for WriteShards {
    type Error = InvalidWriteShards;

    fn try_from(count: i64) -> Result<Self, InvalidWriteShards> {
        Self::new(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_shards_outside_1_to_16_are_rejected() {
        for (count, valid) in
            [(-1, false), (0, false), (1, true), (16, true), (17, false), (256, false), (i64::MAX, false)]
        {
            assert_eq!(WriteShards::new(count).is_ok(), valid, "{count}");
            assert_eq!(WriteShards::or_none(count).is_ok(), valid || count == 0, "{count}");
        }
        assert_eq!(WriteShards::or_none(0), Ok(None));
    }
}
