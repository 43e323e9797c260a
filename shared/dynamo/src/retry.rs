//! Pauses between attempts at a write that conflicts with a transaction.

use std::time::Duration;

use kernel::{Clock, Random, Timestamp};

/// The upper bound of the first pause, which doubles with each further one.
const FIRST_PAUSE_MS: u64 = 10;
/// The upper bound of any pause. With longer ones the transactions that have waited longest wait longest again: see
/// docs/adr for the measurements.
const LONGEST_PAUSE_MS: u64 = 80;

/// Exponential backoff with full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[derive(Debug)]
pub struct Backoff {
    longest_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { longest_ms: FIRST_PAUSE_MS }
    }
}

impl Backoff {
    pub fn next(&mut self, random: &(impl Random + ?Sized)) -> Duration {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let pause = Duration::from_millis(u64::from_le_bytes(bytes) % (self.longest_ms + 1));
        self.longest_ms = (self.longest_ms * 2).min(LONGEST_PAUSE_MS);
        pause
    }
}

/// The retries of one write: pauses until the write's time is used up.
pub struct Retries<'a> {
    clock: &'a (dyn Clock + Send + Sync),
    random: &'a (dyn Random + Send + Sync),
    give_up_at: Timestamp,
    /// The pauses that are left, however slowly the clock runs.
    budget: Duration,
    backoff: Backoff,
}

impl<'a> Retries<'a> {
    /// Allows pauses of at most `budget` in all, until `budget` has passed.
    pub(crate) fn new(
        clock: &'a (dyn Clock + Send + Sync),
        random: &'a (dyn Random + Send + Sync),
        budget: Duration,
    ) -> Self {
        let give_up_at = clock.now().plus(budget);
        Self { clock, random, give_up_at, budget, backoff: Backoff::default() }
    }

    /// Sleeps before the next attempt. Returns `false`, at once, if there is no time for one.
    pub async fn pause(&mut self) -> bool {
        let pause = self.backoff.next(self.random);
        if pause > self.budget || self.clock.now().plus(pause) >= self.give_up_at {
            return false;
        }
        self.budget -= pause;
        tokio::time::sleep(pause).await;
        true
    }
}
