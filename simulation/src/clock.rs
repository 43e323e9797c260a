//! The simulated time, and the clocks of functions, which are apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel::{Clock, Timestamp};

/// The time in milliseconds since the start of the run. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Advances this time and that of timers.
    pub(crate) async fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).expect("a short time"), Ordering::Relaxed);
        tokio::time::advance(by).await;
    }

    /// A clock that is ahead of the time, or behind it.
    pub(crate) fn clock(&self, skew_ms: i64) -> SkewedClock {
        SkewedClock { time: self.clone(), skew_ms }
    }
}

/// The clock of one instance of a function.
#[derive(Debug, Clone)]
pub(crate) struct SkewedClock {
    time: Time,
    skew_ms: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let start = Timestamp::parse("2026-01-31T12:00:00Z").expect("a valid time");
        let now = start.plus(Duration::from_millis(self.time.millis()));
        let skew = Duration::from_millis(self.skew_ms.unsigned_abs());
        if self.skew_ms < 0 { now.minus(skew) } else { now.plus(skew) }
    }
}
