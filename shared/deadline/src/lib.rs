//! The deadline of the current invocation.
//!
//! Lambda terminates a function at its timeout: the client gets a 504 without a body, and a batch is delivered again as a
//! whole. So the runtime loop runs every invocation with [`with_time_left`], and whatever calls another service or pauses
//! ends within [`time_left`].

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The time before the deadline that is reserved for the response.
pub const RESPONSE_RESERVE: Duration = Duration::from_millis(500);

tokio::task_local! {
    static DEADLINE: Option<Instant>;
}

/// Runs a future with a deadline after this time.
pub async fn with_time_left<F: Future>(time: Duration, future: F) -> F::Output {
    DEADLINE.scope(Instant::now().checked_add(time), future).await
}

/// The time that is left for calls and pauses; `None` outside an invocation.
pub fn time_left() -> Option<Duration> {
    let deadline = DEADLINE.try_with(|deadline| *deadline).ok().flatten()?;
    Some(deadline.saturating_duration_since(Instant::now()).saturating_sub(RESPONSE_RESERVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_left_ends_before_the_deadline() {
        assert_eq!(time_left(), None);
        with_time_left(Duration::from_secs(10), async {
            assert_eq!(time_left(), Some(Duration::from_millis(9_500)));
            tokio::time::sleep(Duration::from_secs(9)).await;
            assert_eq!(time_left(), Some(Duration::from_millis(500)));
            tokio::time::sleep(Duration::from_secs(9)).await;
            assert_eq!(time_left(), Some(Duration::ZERO));
        })
        .await;
    }
}
