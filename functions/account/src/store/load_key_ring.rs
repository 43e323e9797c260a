//! Loading the key ring.

use std::future::Future;

use kernel::Random;

use super::items::{self, KeyRingItem};
use super::{KeyTables, StoreError};
use crate::domain::KeyRing;

/// Loads the key ring.
pub trait LoadKeyRing {
    /// The ring as it is, if the deployment has keys.
    fn load_key_ring(&self) -> impl Future<Output = Result<Option<KeyRing>, StoreError>> + Send;
}

impl<R: Random + Sync> LoadKeyRing for KeyTables<R> {
    async fn load_key_ring(&self) -> Result<Option<KeyRing>, StoreError> {
        let get = self.client.get_item().table_name(&self.signing_key_table).set_key(Some(items::key_ring_key()));
        let Some(item) = get.consistent_read(true).send().await?.item else { return Ok(None) };
        items::read::<KeyRingItem>(item)?.try_into().map(Some)
    }
}
