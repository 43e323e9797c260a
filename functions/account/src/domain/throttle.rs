//! How often one may guess at a password.

use std::time::Duration;

use kernel::Timestamp;

/// How many attempts in a row may fail before the next one has to wait.
pub const BURST: u32 = 5;
/// The longest wait.
pub const MAX_BACKOFF: Duration = Duration::from_mins(15);
/// After so long without an attempt, counting begins anew.
pub const ATTEMPT_WINDOW: Duration = Duration::from_hours(24);

/// How long the next attempt waits after the last one, when so many have failed in a row: one second after the fifth,
/// twice as long after each that follows, and never longer than [`MAX_BACKOFF`].
pub fn wait_after(attempts: u32) -> Duration {
    match attempts.checked_sub(BURST) {
        None => Duration::ZERO,
        Some(doublings) => 1_u64.checked_shl(doublings).map_or(MAX_BACKOFF, Duration::from_secs).min(MAX_BACKOFF),
    }
}

/// The numbers of attempts whose waits differ from the one before and from the longest.
pub fn backoff_steps() -> impl Iterator<Item = (u32, Duration)> {
    (BURST..).map(|attempts| (attempts, wait_after(attempts))).take_while(|(_, wait)| *wait < MAX_BACKOFF)
}

/// The attempts to sign in by one identifier that have failed since one succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last_at: Timestamp,
}

impl Attempts {
    /// How long the next one has to wait yet.
    pub fn wait(self, now: Timestamp) -> Duration {
        now.until(self.last_at.plus(wait_after(self.count)))
    }

    /// Whether they are forgotten.
    pub fn have_expired(self, now: Timestamp) -> bool {
        now >= self.last_at.plus(ATTEMPT_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_attempts_are_free_and_then_the_wait_doubles_up_to_fifteen_minutes() {
        let waits: Vec<_> = (0..=17).map(|attempts| wait_after(attempts).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(wait_after(u32::MAX), MAX_BACKOFF);
        assert_eq!(backoff_steps().map(|(_, wait)| wait.as_secs()).collect::<Vec<_>>(), waits[5..15]);
    }

    #[test]
    fn the_wait_runs_from_the_last_attempt() {
        let at = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let attempts = Attempts { count: 8, last_at: at };
        for (later, wait) in [(0, 8), (3, 5), (8, 0), (9, 0)] {
            assert_eq!(attempts.wait(at.plus(Duration::from_secs(later))), Duration::from_secs(wait));
        }
    }
}
