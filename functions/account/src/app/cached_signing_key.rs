//! The current signing key, cached in memory.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Clock, SystemClock, Timestamp};

use crate::app::error::AccountError;
use crate::domain::{SIGNING_KEY_TTL, SigningKey};
use crate::store::LoadSigningKey;

/// The current signing key. A key older than [`SIGNING_KEY_TTL`] is reloaded before it signs again, so that the rotation knows
/// when a replaced key has signed for the last time.
#[derive(Debug)]
pub struct CachedSigningKey<L, C = SystemClock> {
    source: L,
    clock: C,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    key: Arc<SigningKey>,
    /// The start of the load.
    at: Timestamp,
}

impl<L: LoadSigningKey> CachedSigningKey<L> {
    /// Creates a cache. Call [`warm_up`](Self::warm_up) during init.
    pub fn new(source: L) -> Self {
        Self::with_clock(source, SystemClock)
    }
}

impl<L: LoadSigningKey, C: Clock> CachedSigningKey<L, C> {
    /// Creates a cache with this clock.
    pub fn with_clock(source: L, clock: C) -> Self {
        Self { source, clock, loaded: Mutex::default() }
    }

    /// Loads the key during init, which also opens the connection. A failure is logged; the first request retries.
    pub async fn warm_up(&self) {
        if let Err(error) = self.get().await {
            tracing::warn!(%error, "loading the signing key during init failed");
        }
    }

    /// Returns the key.
    /// # Errors
    /// [`AccountError`] if there is no key yet, or the load fails. An expired key is not used in its place.
    pub async fn get(&self) -> Result<Arc<SigningKey>, AccountError> {
        let now = self.clock.now();
        let held = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Loaded { key, .. }) = held.filter(|held| now < held.at.plus(SIGNING_KEY_TTL)) {
            return Ok(key);
        }
        let key = Arc::new(self.source.load_signing_key().await?.ok_or(AccountError::NoSigningKey)?);
        let loaded = Loaded { key: Arc::clone(&key), at: now };
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;

    use super::*;
    use crate::store::StoreError;

    /// Answers as its loads are meant to end.
    struct Source {
        outcomes: Vec<Result<Option<u64>, StoreError>>,
        loads: AtomicUsize,
    }

    impl LoadSigningKey for &Source {
        async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
            let load = self.loads.fetch_add(1, Ordering::SeqCst);
            self.outcomes[load].clone().map(|seed| seed.map(key))
        }
    }

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&SeededRandom::new(seed)).unwrap()
    }

    fn source(outcomes: impl Into<Vec<Result<Option<u64>, StoreError>>>) -> Source {
        Source { outcomes: outcomes.into(), loads: AtomicUsize::new(0) }
    }

    fn current(source: &Source) -> CachedSigningKey<&Source, FixedClock> {
        CachedSigningKey::with_clock(source, FixedClock(Timestamp::parse("2026-01-31T12:00:00Z").unwrap()))
    }

    #[tokio::test]
    async fn a_key_that_is_not_there_yet_is_looked_for_again_and_one_that_is_there_is_not() {
        let source = source([Ok(None), Ok(Some(1))]);
        let current = current(&source);
        assert!(matches!(current.get().await, Err(AccountError::NoSigningKey)));
        for _ in 0..3 {
            assert_eq!(current.get().await.unwrap().kid(), key(1).kid());
        }
        assert_eq!(source.loads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_key_that_was_held_for_long_enough_signs_no_more_even_if_no_other_can_be_had() {
        let source = source([Ok(Some(1)), Err(StoreError::Unavailable("no answer".to_owned())), Ok(Some(2))]);
        let mut current = current(&source);
        let start = current.clock.0;
        assert_eq!(current.get().await.unwrap().kid(), key(1).kid());
        current.clock.0 = start.plus(SIGNING_KEY_TTL.saturating_sub(Duration::from_millis(1)));
        assert_eq!(current.get().await.unwrap().kid(), key(1).kid());
        current.clock.0 = start.plus(SIGNING_KEY_TTL);
        assert!(matches!(current.get().await, Err(AccountError::Store(_))));
        assert_eq!(current.get().await.unwrap().kid(), key(2).kid());
    }
}
