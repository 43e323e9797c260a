//! Pauses between attempts at a write.

use std::time::Duration;

use kernel::Random;
use tokio::time::Instant;

use crate::Cancellation;

/// The pace of attempts: exponential backoff with full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[derive(Debug, Clone, Copy)]
struct Backoff {
    /// The upper bound of the next pause, which doubles with each pause.
    longest_ms: u64,
    /// The upper bound of any pause.
    limit_ms: u64,
}

/// After a conflict. With longer pauses the transactions that have waited longest wait longest again: see docs/adr for the
/// measurements.
const AFTER_CONFLICT: Backoff = Backoff { longest_ms: 10, limit_ms: 80 };
/// When throttled. A partition admits a fixed number of writes per second, so attempts in quick succession only add to the
/// load.
const WHEN_THROTTLED: Backoff = Backoff { longest_ms: 100, limit_ms: 2_000 };

impl Backoff {
    fn next(&mut self, random: &(impl Random + ?Sized)) -> Duration {
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
}

impl<'a> Retries<'a> {
    /// Allows retries for at most `budget`, and within the invocation's time.
    pub(crate) fn new(random: &'a (dyn Random + Send + Sync), budget: Duration) -> Self {
        let budget = deadline::time_left().map_or(budget, |time_left| time_left.min(budget));
        let give_up_at = Instant::now() + budget;
        Self { random, give_up_at, after_conflict: AFTER_CONFLICT, when_throttled: WHEN_THROTTLED }
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
