//! Installing a deployment's first signing key.

use std::future::Future;

use aws_sdk_dynamodb::Client;
use kernel::{KeyId, Random, Timestamp};

use super::StoreError;
use super::items::{self, CurrentKeyItem, PrivateKeyItem, PublicKeyItem};
use super::transaction::{commit, put};
use crate::domain::SigningKey;

/// Installs the first signing key.
pub trait InstallFirstKey {
    /// Makes this the key that signs and publishes its public half, unless there is a key: then nothing changes.
    /// Answers with the id of the key that signs. Of several calls at once, MUST let one install its key.
    fn install_first_key(
        &self,
        key: &SigningKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<KeyId, StoreError>> + Send;
}

/// The two tables that hold the halves of the signing keys.
#[derive(Debug, Clone)]
pub struct KeyTables<R> {
    client: Client,
    account_table: String,
    signing_key_table: String,
    /// Spreads retries in time.
    random: R,
}

impl<R: Random> KeyTables<R> {
    /// Public halves go to the one table, private ones to the other.
    pub fn new(
        client: Client,
        account_table: impl Into<String>,
        signing_key_table: impl Into<String>,
        random: R,
    ) -> Self {
        Self { client, account_table: account_table.into(), signing_key_table: signing_key_table.into(), random }
    }
}

impl<R: Random + Sync> InstallFirstKey for KeyTables<R> {
    async fn install_first_key(&self, key: &SigningKey, now: Timestamp) -> Result<KeyId, StoreError> {
        let writes = vec![
            put(&self.signing_key_table, CurrentKeyItem::new(key.kid()), Some("attribute_not_exists(pk)"))?,
            put(&self.signing_key_table, PrivateKeyItem::new(key, now), None)?,
            put(&self.account_table, PublicKeyItem::new(key, now), None)?,
        ];
        let Err(reasons) = commit(&self.client, &self.random, writes).await? else {
            return Ok(key.kid().clone());
        };
        let current = reasons.into_iter().next().and_then(|reason| reason.item);
        let current = current.ok_or_else(|| StoreError::broken("there is a signing key, but not which one"))?;
        Ok(items::read::<CurrentKeyItem>(current)?.kid)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::LoadKeys;
    use kernel::random::Seeded;
    use runtime::keys::TableKeys;
    use testkit::Engine;

    use super::super::testing::{items_of, now};
    use super::super::{LoadSigningKey, SigningKeyTable};
    use super::*;

    async fn tables() -> (Engine, KeyTables<Seeded>) {
        let engine = Engine::start().await;
        let account_table = engine.create_table("account", "AccountTable");
        let signing_key_table = engine.create_table("account", "SigningKeyTable");
        let tables = KeyTables::new(engine.client.clone(), account_table, signing_key_table, Seeded::new(1));
        (engine, tables)
    }

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&Seeded::new(seed)).unwrap()
    }

    #[tokio::test]
    async fn each_half_can_be_loaded_from_the_table_it_belongs_to_and_the_private_one_from_no_other() {
        let (engine, tables) = tables().await;
        let private = SigningKeyTable::new(engine.client.clone(), &tables.signing_key_table);
        assert!(private.load_signing_key().await.unwrap().is_none());

        assert_eq!(tables.install_first_key(&key(1), now()).await.as_ref(), Ok(key(1).kid()));
        let loaded = private.load_signing_key().await.unwrap().unwrap();
        assert_eq!(loaded.pkcs8(), key(1).pkcs8());
        let public = TableKeys::new(engine.client.clone(), &tables.account_table).load_keys().await.unwrap();
        assert_eq!((&public[0].kid, public[0].x.as_str(), public.len()), (key(1).kid(), key(1).public_key(), 1));
        assert!(items_of(&engine, &tables.account_table).await.iter().all(|item| !item.contains_key("privateKey")));
    }

    #[tokio::test]
    async fn a_second_key_changes_nothing_and_is_answered_with_the_first() {
        let (engine, tables) = tables().await;
        tables.install_first_key(&key(1), now()).await.unwrap();
        let before = (items_of(&engine, "AccountTable").await, items_of(&engine, "SigningKeyTable").await);
        assert_eq!(tables.install_first_key(&key(2), now()).await.as_ref(), Ok(key(1).kid()));
        assert_eq!((items_of(&engine, "AccountTable").await, items_of(&engine, "SigningKeyTable").await), before);
    }

    #[tokio::test]
    async fn of_several_at_once_one_installs_its_key_and_all_name_that_one() {
        let (engine, tables) = tables().await;
        let tables = Arc::new(tables);
        let attempts: Vec<_> = (0..8)
            .map(|seed| {
                let tables = Arc::clone(&tables);
                tokio::spawn(async move { tables.install_first_key(&key(seed), now()).await.unwrap() })
            })
            .collect();
        let mut named = Vec::new();
        for attempt in attempts {
            named.push(attempt.await.unwrap());
        }
        let public = TableKeys::new(engine.client.clone(), &tables.account_table).load_keys().await.unwrap();
        assert_eq!(public.len(), 1);
        assert!(named.iter().all(|kid| *kid == public[0].kid), "{named:?}");
    }
}
