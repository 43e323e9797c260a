//! The key that signs, kept in memory.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::SigningKey;
use crate::error::AccountError;
use crate::store::LoadSigningKey;

/// The key that signs, loaded once.
#[derive(Debug)]
pub struct CurrentKey<L> {
    source: L,
    loaded: Mutex<Option<Arc<SigningKey>>>,
}

impl<L: LoadSigningKey> CurrentKey<L> {
    /// The key that this source holds. Call [`warm_up`](Self::warm_up) in init.
    pub fn new(source: L) -> Self {
        Self { source, loaded: Mutex::default() }
    }

    /// Loads the key before the first request comes, and with that opens the connection. A failure is logged: the first
    /// request will try again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.get().await {
            tracing::warn!(%error, "the signing key could not be loaded in init");
        }
    }

    /// The key.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if there is none yet, or it cannot be had just now.
    pub async fn get(&self) -> Result<Arc<SigningKey>, AccountError> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(key) = loaded {
            return Ok(key);
        }
        let key = Arc::new(self.source.load_signing_key().await?.ok_or(AccountError::NoSigningKey)?);
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&key));
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kernel::random::Seeded;

    use super::*;
    use crate::store::StoreError;

    /// Has a key from the second load on.
    struct LateKey(AtomicUsize);

    impl LoadSigningKey for &LateKey {
        async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
            let loads = self.0.fetch_add(1, Ordering::SeqCst);
            Ok((loads > 0).then(|| SigningKey::generate(&Seeded::new(1)).unwrap()))
        }
    }

    #[tokio::test]
    async fn a_key_that_is_not_there_yet_is_looked_for_again_and_one_that_is_there_is_not() {
        let source = LateKey(AtomicUsize::new(0));
        let current = CurrentKey::new(&source);
        assert!(matches!(current.get().await, Err(AccountError::NoSigningKey)));
        for _ in 0..3 {
            assert!(current.get().await.is_ok());
        }
        assert_eq!(source.0.load(Ordering::SeqCst), 2);
    }
}
