//! Admission of attempts to present a password.

use std::time::Duration;

use kernel::{Random, Timestamp};

use super::error::AccountError;
use crate::domain::throttle::RateLimit;
use crate::store::{AccountTable, StoreError};

/// The longest first pause, which doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_millis(400);
/// The maximum sum of the pauses, in which other attempts are checked many times over.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Counts an attempt. While it is undecided because others are in flight, it is counted again after a pause: of many
/// concurrent correct passwords all are accepted, and of many wrong ones no more are checked than one after another.
///
/// # Errors
///
/// [`AccountError::TooManyAttempts`] if it has to wait; [`AccountError::AttemptsInProgress`] if others stay in flight.
pub(super) async fn admit<T, F>(
    accounts: &AccountTable,
    count: impl Fn(Timestamp) -> F + Sync,
) -> Result<T, AccountError>
where
    F: Future<Output = Result<RateLimit<T>, StoreError>>,
{
    let (mut pause, mut left) = (FIRST_PAUSE, MAX_WAIT);
    loop {
        match count(accounts.now()).await? {
            RateLimit::Allowed(attempt) => return Ok(attempt),
            RateLimit::Limited { retry_after } => return Err(AccountError::TooManyAttempts(retry_after)),
            RateLimit::Undecided if left.is_zero() => return Err(AccountError::AttemptsInProgress),
            RateLimit::Undecided => {}
        }
        let next = half_jitter(pause, accounts.random()).min(left);
        tokio::time::sleep(next).await;
        (pause, left) = ((pause * 2).min(MAX_PAUSE), left.saturating_sub(next));
    }
}

/// Returns a random duration between the half and the whole.
fn half_jitter(whole: Duration, random: &(impl Random + ?Sized)) -> Duration {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    whole.mul_f64(0.5 + 0.5 * f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
