//! Pauses between attempts at a write.

use std::time::Duration;

use kernel::Random;
use tokio::time::Instant;

use crate::{Attempt, Cancellation};

/// The pace of attempts: exponential backoff with full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The upper bound of the next pause, which doubles with each pause.
    longest_ms: u64,
    /// The upper bound of any pause.
    limit_ms: u64,
}

impl Backoff {
    /// After a conflict: about one transaction's length, however often there was one. With pauses that grow, the
    /// transactions that have waited longest wait longest again: see docs/adr/0027-constant-pauses-after-conflicts.md.
    pub const AFTER_CONFLICT: Self = Self::new(20, 20);
    /// When throttled. A partition admits a fixed number of writes per second, so attempts in quick succession only add to
    /// the load.
    const WHEN_THROTTLED: Self = Self::new(100, 2_000);

    /// A first pause of at most `first_ms`, and further ones of at most `limit_ms`.
    pub const fn new(first_ms: u64, limit_ms: u64) -> Self {
        Self { longest_ms: first_ms, limit_ms }
    }

    /// Draws the next pause.
    pub fn next(&mut self, random: &(impl Random + ?Sized)) -> Duration {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let pause = Duration::from_millis(u64::from_le_bytes(bytes) % (self.longest_ms + 1));
        self.longest_ms = (self.longest_ms * 2).min(self.limit_ms);
        pause
    }
}

/// The retries of one write: pauses until the write's time is used up.
pub struct Retries<'a> {
    random: &'a (dyn Random + Send + Sync),
    give_up_at: Instant,
    after_conflict: Backoff,
    when_throttled: Backoff,
    is_outcome_unknown: bool,
}

impl<'a> Retries<'a> {
    /// Allows retries for at most `budget`, and within the invocation's time.
    pub(crate) fn new(random: &'a (dyn Random + Send + Sync), budget: Duration) -> Self {
        let budget = deadline::time_left().map_or(budget, |time_left| time_left.min(budget));
        let give_up_at = Instant::now() + budget;
        Self {
            random,
            give_up_at,
            after_conflict: Backoff::AFTER_CONFLICT,
            when_throttled: Backoff::WHEN_THROTTLED,
            is_outcome_unknown: false,
        }
    }

    /// Takes note of an attempt. Once the outcome of one is unknown, so is what the later ones prove.
    pub fn observe<P>(&mut self, mut attempt: Attempt<P>) -> Attempt<P> {
        self.is_outcome_unknown = attempt.remember_unknown_outcome(self.is_outcome_unknown);
        attempt
    }

    /// Sleeps before the next attempt. Returns `false` immediately if there is no time for one.
    pub async fn pause_after<P: Copy + PartialEq>(&mut self, cancellation: &Cancellation<P>) -> bool {
        let backoff = if cancellation.is_throttled() { &mut self.when_throttled } else { &mut self.after_conflict };
        let pause = backoff.next(self.random);
        self.sleep(pause).await
    }

    /// As [`pause_after`](Self::pause_after), after a conflict.
    pub async fn pause_after_conflict(&mut self) -> bool {
        let pause = self.after_conflict.next(self.random);
        self.sleep(pause).await
    }

    async fn sleep(&self, pause: Duration) -> bool {
        let resume_at = Instant::now() + pause;
        if resume_at >= self.give_up_at {
            return false;
        }
        tokio::time::sleep_until(resume_at).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    /// The longest of many pauses after so many others.
    fn longest_ms(backoff: Backoff, after: usize) -> u128 {
        let random = SeededRandom::new(1);
        let pause = |_| {
            let mut backoff = backoff;
            for _ in 0..after {
                backoff.next(&random);
            }
            backoff.next(&random).as_millis()
        };
        (0..1000).map(pause).max().unwrap()
    }

    #[test]
    fn pause_after_conflicts_does_not_grow() {
        assert_eq!([0, 1, 9].map(|after| longest_ms(Backoff::AFTER_CONFLICT, after)), [20; 3]);
    }

    #[test]
    fn pause_when_throttled_doubles_up_to_its_limit() {
        let longest = [0, 1, 9].map(|after| longest_ms(Backoff::WHEN_THROTTLED, after));
        for (longest, limit) in longest.into_iter().zip([100, 200, 2_000]) {
            assert!(longest <= limit && longest > limit * 9 / 10, "{longest} of {limit}");
        }
    }
}
