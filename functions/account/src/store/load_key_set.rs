//! Loading the key ring.

use std::future::Future;

use super::records::{self, KeySetRecord};
use super::{KeyTables, StoreError};
use crate::domain::KeySet;

/// Loads the key ring.
pub trait LoadKeySet {
    /// The ring as it is, if the deployment has keys.
    fn load_key_set(&self) -> impl Future<Output = Result<Option<KeySet>, StoreError>> + Send;
}

impl LoadKeySet for KeyTables {
    async fn load_key_set(&self) -> Result<Option<KeySet>, StoreError> {
        let get = self.client.get_item().table_name(&self.signing_key_table).set_key(Some(records::key_set_key()));
        let Some(item) = get.consistent_read(true).send().await?.item else { return Ok(None) };
        records::read::<KeySetRecord>(item)?.try_into().map(Some)
    }
}
