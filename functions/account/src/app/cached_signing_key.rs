//! The current signing key, cached in memory.

use std::sync::Arc;
use std::time::Duration;

use cache::Cached;
use kernel::Clock;

use super::error::AccountError;
use crate::domain::{SIGNING_KEY_TTL, SigningKey};
use crate::store::{SigningKeyTable, StoreError};

/// The current signing key. A key older than [`SIGNING_KEY_TTL`] is reloaded before it signs again, so that the rotation knows
/// when a replaced key has signed for the last time.
pub struct CachedSigningKey {
    table: SigningKeyTable,
    clock: Arc<dyn Clock + Send + Sync>,
    key: Cached<Arc<SigningKey>, LoadError>,
}

#[derive(Debug, Clone, thiserror::Error)]
enum LoadError {
    #[error("no signing key yet")]
    Missing,
    #[error(transparent)]
    Store(StoreError),
}

impl From<LoadError> for AccountError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Missing => Self::NoSigningKey,
            LoadError::Store(error) => Self::Store(error),
        }
    }
}

impl CachedSigningKey {
    /// Creates a cache. Call [`warm_up`](Self::warm_up) during init.
    pub fn new(table: SigningKeyTable, clock: impl Clock + Send + Sync + 'static) -> Self {
        Self { table, clock: Arc::new(clock), key: Cached::new(SIGNING_KEY_TTL, Duration::ZERO) }
    }

    /// Loads the key during init, which also opens the connection. A failure is logged; the first request retries.
    pub async fn warm_up(&self) {
        if let Err(error) = self.get().await {
            tracing::warn!(%error, "loading the signing key during init failed");
        }
    }

    /// Returns the key.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if there is no key yet, or the load fails. An expired key is not used in its place.
    pub async fn get(&self) -> Result<Arc<SigningKey>, AccountError> {
        Ok(self.key.get(self.clock.now(), || self.load()).await?)
    }

    async fn load(&self) -> Result<Arc<SigningKey>, LoadError> {
        let key = self.table.load_signing_key().await.map_err(LoadError::Store)?;
        key.map(Arc::new).ok_or(LoadError::Missing)
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::ManualClock;

    use super::*;
    use crate::testing::{TestApp, now, signing_key};

    #[tokio::test]
    async fn missing_key_is_loaded_again_and_found_key_is_cached() {
        let app = TestApp::without_signing_key().await;
        let cached = CachedSigningKey::new(app.signing_keys(), ManualClock::at(now()));
        assert!(matches!(cached.get().await, Err(AccountError::NoSigningKey)));
        app.create_signing_key(&signing_key()).await;
        app.engine.round_trips();
        for _ in 0..3 {
            assert_eq!(cached.get().await.unwrap().kid(), signing_key().kid());
        }
        assert_eq!(app.engine.round_trips(), ["Query"]);
    }

    #[tokio::test]
    async fn expired_key_does_not_sign_even_if_the_reload_fails() {
        let app = TestApp::new().await;
        let clock = ManualClock::at(now());
        let cached = CachedSigningKey::new(app.signing_keys(), clock.clone());
        assert!(cached.get().await.is_ok());
        clock.advance(SIGNING_KEY_TTL.saturating_sub(Duration::from_millis(1)));
        assert!(cached.get().await.is_ok());
        assert_eq!(app.engine.round_trips(), ["Query"]);
        clock.advance(Duration::from_millis(1));
        app.engine.reject("Query", 1, "AccessDeniedException");
        assert!(matches!(cached.get().await, Err(AccountError::Store(_))));
        assert!(cached.get().await.is_ok());
    }
}
