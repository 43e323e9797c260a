//! Rate limiting of attempts to present a password, and of sign-ups with an identifier that is taken.

use std::time::Duration;

use kernel::Timestamp;

/// The number of consecutive failed attempts to present a password after which the next one has to wait.
pub const BURST: u32 = 5;
/// The number of sign-ups with a taken identifier after which the next one has to wait. More than for passwords: a form
/// that is sent again and again guesses nothing.
pub const SIGN_UP_BURST: u32 = 10;
pub const MAX_BACKOFF: Duration = Duration::from_mins(15);
/// The time since the last attempt after which the count is reset.
pub const ATTEMPT_WINDOW: Duration = Duration::from_hours(24);

/// How long the next attempt has to wait, as a function of the number of failed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The number of attempts that need not wait.
    pub burst: u32,
}

pub const PASSWORDS: Backoff = Backoff { burst: BURST };
pub const SIGN_UPS: Backoff = Backoff { burst: SIGN_UP_BURST };

impl Backoff {
    /// Returns how long the next attempt has to wait after the last of `attempts` consecutive failed ones: one second
    /// after the last of the burst, twice as long after each further one, and at most [`MAX_BACKOFF`].
    pub fn after(self, attempts: u32) -> Duration {
        match attempts.checked_sub(self.burst) {
            None => Duration::ZERO,
            Some(doublings) => 1_u64.checked_shl(doublings).map_or(MAX_BACKOFF, Duration::from_secs).min(MAX_BACKOFF),
        }
    }

    /// Returns the numbers of attempts whose backoff is neither zero nor [`MAX_BACKOFF`], with that backoff.
    pub fn steps(self) -> impl Iterator<Item = (u32, Duration)> {
        (self.burst..)
            .map(move |attempts| (attempts, self.after(attempts)))
            .take_while(|(_, backoff)| *backoff < MAX_BACKOFF)
    }
}

/// The time after which an attempt is no longer in flight, although it was not settled: longer than a function may run.
pub const MAX_TIME_IN_FLIGHT: Duration = Duration::from_secs(15);

/// The result of counting an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit<T> {
    /// The attempt was counted.
    Allowed(T),
    /// The attempt was not counted: others are in flight, and whether it has to wait depends on their outcome.
    Undecided,
    /// The attempt was not counted. The next one is allowed after `retry_after`.
    Limited { retry_after: Duration },
}

/// The consecutive attempts by an identifier or of a user that have failed or are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    pub count: u32,
    pub last_at: Timestamp,
    /// When the last of the attempts in flight was counted.
    pub in_flight_since: Option<Timestamp>,
}

/// How the next attempt is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// It is added to the count.
    Increment,
    /// It is the first one, since the previous ones have expired.
    Reset,
    /// It has to wait.
    Wait(Duration),
    /// It would have to wait if the attempts in flight fail. If one succeeds, the count is reset.
    AwaitOthers,
}

impl Attempts {
    pub fn next(self, backoff: Backoff, now: Timestamp) -> NextAttempt {
        if now >= self.last_at.plus(ATTEMPT_WINDOW) {
            return NextAttempt::Reset;
        }
        match self.remaining(backoff, now) {
            Duration::ZERO => NextAttempt::Increment,
            _ if self.is_in_flight(now) => NextAttempt::AwaitOthers,
            backoff => NextAttempt::Wait(backoff),
        }
    }

    fn is_in_flight(self, now: Timestamp) -> bool {
        self.in_flight_since.is_some_and(|since| now < since.plus(MAX_TIME_IN_FLIGHT))
    }

    fn remaining(self, backoff: Backoff, now: Timestamp) -> Duration {
        now.until(self.last_at.plus(backoff.after(self.count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_starts_after_burst_and_doubles_to_15_minutes() {
        let backoffs: Vec<_> = (0..=17).map(|attempts| PASSWORDS.after(attempts).as_secs()).collect();
        assert_eq!(backoffs, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(PASSWORDS.after(u32::MAX), MAX_BACKOFF);
        assert_eq!([9, 10, 11].map(|attempts| SIGN_UPS.after(attempts).as_secs()), [0, 1, 2]);
        assert_eq!(PASSWORDS.steps().map(|(_, backoff)| backoff.as_secs()).collect::<Vec<_>>(), backoffs[5..15]);
    }

    #[test]
    fn backoff_runs_from_last_attempt() {
        let at = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let attempts = Attempts { count: 8, last_at: at, in_flight_since: None };
        for (later, backoff) in [(0, 8), (3, 5), (8, 0), (9, 0)] {
            assert_eq!(
                attempts.remaining(PASSWORDS, at.plus(Duration::from_secs(later))),
                Duration::from_secs(backoff)
            );
        }
    }

    #[test]
    fn attempt_is_undecided_while_others_are_in_flight() {
        let at = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let later = |seconds| at.plus(Duration::from_secs(seconds));
        let locked = Attempts { count: 20, last_at: at, in_flight_since: Some(at) };
        assert_eq!(locked.next(PASSWORDS, later(14)), NextAttempt::AwaitOthers);
        assert_eq!(locked.next(PASSWORDS, later(15)), NextAttempt::Wait(Duration::from_secs(900 - 15)));
        assert_eq!(Attempts { in_flight_since: None, ..locked }.next(PASSWORDS, at), NextAttempt::Wait(MAX_BACKOFF));
        assert_eq!(Attempts { count: 4, ..locked }.next(PASSWORDS, at), NextAttempt::Increment);
    }
}
