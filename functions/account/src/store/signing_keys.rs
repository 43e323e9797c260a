//! Signing keys.

use auth::table_keys;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dynamo::{Table, Transaction, from_item, number, text, to_item};
use kernel::{KeyId, Random, Secret, SystemClock, SystemRandom, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys::{self, PrimaryKey};
use super::{AuditTable, RETRY_BUDGET, StoreError, commit};
use crate::domain::{AuditEvent, KeySet, KeySetChange, KeySetEntry, SigningKey};

/// The status of the private key that signs.
const CURRENT: &str = "CURRENT";
/// The status of the private key that signs next.
const NEXT: &str = "NEXT";

/// A table of private keys, for functions that sign.
#[derive(Debug, Clone)]
pub struct SigningKeyTable {
    table: Table,
}

/// The tables of the public and the private keys, for key rotation.
#[derive(Debug, Clone)]
pub struct KeyTables {
    public: Table,
    private: Table,
    audit: AuditTable,
}

/// A public key, in the account table.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicKeyRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    pub(crate) kid: KeyId,
    /// The 32 bytes in base64url without padding.
    pub(crate) public_key: String,
    pub(crate) status: PublicKeyStatus,
    pub(crate) version: u64,
    created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Whether a public key verifies tokens. The key set contains the remaining state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum PublicKeyStatus {
    /// Stored as `CURRENT` by deployments that predate key rotation.
    #[serde(alias = "CURRENT")]
    Published,
    Retired,
}

/// A private key, in the signing key table.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrivateKeyRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    kid: KeyId,
    /// A PKCS#8 document in base64.
    private_key: String,
    status: String,
    created_at: Timestamp,
}

/// The key set, in the signing key table. Deployments that predate key rotation have stored the current key's id only.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeySetRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    /// The current key.
    kid: KeyId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default)]
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<KeySetEntry>,
    #[serde(default)]
    retiring: Vec<KeySetEntry>,
}

impl PublicKeyRecord {
    pub(crate) fn new(key: &SigningKey, now: Timestamp) -> Self {
        Self {
            key: keys::signing_key(key.kid()),
            kid: key.kid().clone(),
            public_key: key.public_key().to_owned(),
            status: PublicKeyStatus::Published,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl PrivateKeyRecord {
    fn new(key: &SigningKey, is_current: bool, now: Timestamp) -> Self {
        Self {
            key: keys::signing_key(key.kid()),
            kid: key.kid().clone(),
            private_key: STANDARD.encode(key.pkcs8().expose()),
            status: if is_current { CURRENT } else { NEXT }.to_owned(),
            created_at: now,
        }
    }
}

impl From<&KeySet> for KeySetRecord {
    fn from(key_set: &KeySet) -> Self {
        Self {
            key: keys::key_set(),
            kid: key_set.current.kid.clone(),
            since: Some(key_set.current.since),
            version: key_set.version,
            next: key_set.next.clone(),
            retiring: key_set.retiring.clone(),
        }
    }
}

impl TryFrom<KeySetRecord> for KeySet {
    type Error = StoreError;

    fn try_from(record: KeySetRecord) -> Result<Self, StoreError> {
        let KeySetRecord { kid, since, version, next, retiring, .. } = record;
        // A current key of unknown age is due for rotation.
        let unknown = Timestamp::from_unix_seconds(0).map_err(StoreError::internal)?;
        Ok(Self { version, current: KeySetEntry { kid, since: since.unwrap_or(unknown) }, next, retiring })
    }
}

impl SigningKeyTable {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { table: Table::new(client, name, SystemClock, SystemRandom, RETRY_BUDGET) }
    }

    /// Loads the current signing key. Returns `None` if the deployment has no keys yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the key could not be read.
    pub async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
        let response = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .key_condition_expression("pk = :keys")
            .filter_expression("#status = :current")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":keys", text(table_keys::PARTITION))
            .expression_attribute_values(":current", text(CURRENT))
            .consistent_read(true)
            .send()
            .await?;
        let Some(item) = response.items.and_then(|items| items.into_iter().next()) else { return Ok(None) };
        let record: PrivateKeyRecord = from_item(item)?;
        let pkcs8 = STANDARD.decode(record.private_key).map_err(StoreError::internal)?;
        SigningKey::from_pkcs8(Secret::new(pkcs8)).map(Some).map_err(StoreError::internal)
    }
}

/// The writes of the transaction that applies a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    KeySet,
    Key,
    AuditEvent,
}

impl KeyTables {
    /// Public keys are stored in the account table; private keys and the key set in the signing key table.
    pub fn new(
        client: Client,
        account_table: impl Into<String>,
        signing_key_table: impl Into<String>,
        audit: AuditTable,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        let public = Table::new(client.clone(), account_table, SystemClock, SystemRandom, RETRY_BUDGET);
        let private = Table::new(client, signing_key_table, SystemClock, random, RETRY_BUDGET);
        Self { public, private, audit }
    }

    /// Loads the key set. Returns `None` if the deployment has no keys yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the key set could not be read.
    pub async fn load_key_set(&self) -> Result<Option<KeySet>, StoreError> {
        let item = self.private.get(keys::key_set().into()).await?;
        item.map(|item| from_item::<KeySetRecord>(item)?.try_into()).transpose()
    }

    /// Stores a change of the key set, unless the key set has changed since it was loaded. Returns the key set as it is
    /// afterwards. Of concurrent changes, one is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown, or a key of the set is missing.
    pub async fn apply_rotation(
        &self,
        change: &KeySetChange,
        events: &[AuditEvent],
        now: Timestamp,
    ) -> Result<KeySet, StoreError> {
        let mut transaction = Transaction::new().with(Part::KeySet, self.put_key_set(&change.key_set)?);
        if let Some(key) = &change.adds {
            let private = PrivateKeyRecord::new(key, change.adds_current_key(), now);
            transaction.add(Part::Key, self.private.put(to_item(private)?, |put| put)?);
            transaction.add(Part::Key, self.public.put(to_item(PublicKeyRecord::new(key, now))?, |put| put)?);
        }
        if let Some(kid) = &change.promotes {
            transaction.add(Part::Key, self.promote(kid)?);
        }
        if let Some(kid) = &change.removes {
            transaction.add(Part::Key, self.private.delete(keys::signing_key(kid).into(), |delete| delete)?);
        }
        if let Some(kid) = &change.retires {
            transaction.add(Part::Key, self.retire(kid, now)?);
        }
        for event in events {
            transaction.add(Part::AuditEvent, self.audit.append(event)?);
        }
        let Some(failed) = commit(&self.private, &transaction, Part::AuditEvent).await? else {
            return Ok(change.key_set.clone());
        };
        if !failed.contains(Part::KeySet) {
            return Err(StoreError::internal("a key of the key set is missing"));
        }
        let current = failed.item(Part::KeySet).cloned();
        let current = current.ok_or_else(|| StoreError::internal("the key set was deleted"))?;
        from_item::<KeySetRecord>(current)?.try_into()
    }

    /// Puts the key set, if the stored one has the previous version.
    fn put_key_set(&self, key_set: &KeySet) -> Result<TransactWriteItem, StoreError> {
        // A key set that is missing, or predates rotation, has no version.
        let before = key_set.version.saturating_sub(1);
        self.private.put(to_item(KeySetRecord::from(key_set))?, |put| match before {
            0 => put.condition_expression("attribute_not_exists(version)"),
            _ => put.condition_expression("version = :before").expression_attribute_values(":before", number(before)),
        })
    }

    fn promote(&self, kid: &KeyId) -> Result<TransactWriteItem, StoreError> {
        self.private.update(keys::signing_key(kid).into(), |update| {
            update
                .update_expression("SET #status = :current")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":current", text(CURRENT))
        })
    }

    /// Turns a public key into a tombstone. The higher version is published.
    fn retire(&self, kid: &KeyId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let expires_at = now.plus(table_keys::TOMBSTONE_TTL).unix_seconds();
        self.public.update(keys::signing_key(kid).into(), |update| {
            update
                .update_expression("SET #status = :retired, updatedAt = :now, expiresAt = :expiresAt ADD version :one")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#status", table_keys::STATUS)
                .expression_attribute_values(":retired", text(table_keys::RETIRED))
                .expression_attribute_values(":now", text(now))
                .expression_attribute_values(":expiresAt", number(expires_at))
                .expression_attribute_values(":one", number(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use auth::LoadKeys;
    use auth::table_keys::TableKeys;
    use dynamo::Item;
    use kernel::testing::SeededRandom;
    use testkit::Engine;

    use super::super::testing::{items_of, now};
    use super::*;
    use crate::domain::{AuditEventKind, AuditSubject};

    async fn tables() -> (Engine, KeyTables) {
        let engine = Engine::start().await;
        let account_table = engine.create_table("account", "AccountTable");
        let signing_key_table = engine.create_table("account", "SigningKeyTable");
        let audit = AuditTable::new(engine.client.clone(), engine.create_table("account", "AuditTable"));
        let tables =
            KeyTables::new(engine.client.clone(), account_table, signing_key_table, audit, SeededRandom::new(1));
        (engine, tables)
    }

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&SeededRandom::new(seed)).unwrap()
    }

    fn kid(seed: u64) -> KeyId {
        key(seed).kid().clone()
    }

    fn event(kind: AuditEventKind) -> AuditEvent {
        AuditEvent {
            id: kind.name().to_owned(),
            kind,
            subject: AuditSubject::Deployment,
            at: now(),
            request_id: "r-1".to_owned(),
            source: None,
            session: None,
            detail: None,
            expires_at: now(),
        }
    }

    impl KeyTables {
        async fn apply(&self, change: KeySetChange) -> KeySet {
            self.apply_rotation(&change, &[], now()).await.unwrap()
        }

        /// Stores an initial key set with this key.
        async fn initial(&self, seed: u64) -> KeySet {
            self.apply(KeySet::initial(key(seed), now())).await
        }

        async fn signer(&self) -> Option<KeyId> {
            let table = SigningKeyTable::new(self.private.client().clone(), self.private.name());
            table.load_signing_key().await.unwrap().map(|key| key.kid().clone())
        }

        async fn verifying(&self) -> HashSet<KeyId> {
            let keys = TableKeys::new(self.private.client().clone(), self.public.name()).load_keys().await.unwrap();
            keys.into_iter().map(|key| key.kid).collect()
        }
    }

    async fn everything(engine: &Engine) -> Vec<Vec<Item>> {
        let mut all = Vec::new();
        for table in ["AccountTable", "SigningKeyTable", "AuditTable"] {
            all.push(items_of(engine, table).await);
        }
        all
    }

    #[tokio::test]
    async fn private_and_public_keys_are_stored_in_their_own_tables() {
        let (engine, tables) = tables().await;
        let private = SigningKeyTable::new(engine.client.clone(), tables.private.name());
        assert!(private.load_signing_key().await.unwrap().is_none());
        assert_eq!(tables.load_key_set().await, Ok(None));

        let key_set = tables.initial(1).await;
        assert_eq!(tables.load_key_set().await, Ok(Some(key_set)));
        let loaded = private.load_signing_key().await.unwrap().unwrap();
        assert_eq!(loaded.pkcs8(), key(1).pkcs8());
        let public = TableKeys::new(engine.client.clone(), tables.public.name()).load_keys().await.unwrap();
        assert_eq!((&public[0].kid, public[0].x.as_str(), public.len()), (key(1).kid(), key(1).public_key(), 1));
        assert!(items_of(&engine, tables.public.name()).await.iter().all(|item| !item.contains_key("privateKey")));
    }

    #[tokio::test]
    async fn rotation_is_one_round_trip_and_changes_signing_key() {
        let (engine, tables) = tables().await;
        let key_set = tables.initial(1).await;
        let key_set = tables.apply(key_set.publish(key(2), now())).await;
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(1)), [kid(1), kid(2)].into()));

        engine.round_trips();
        let key_set = tables.apply(key_set.promote(now()).unwrap()).await;
        assert_eq!(engine.round_trips(), ["TransactWriteItems"]);
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(2)), [kid(1), kid(2)].into()));
        let private = items_of(&engine, tables.private.name()).await;
        let private_keys = private.iter().filter(|item| item.contains_key("privateKey")).count();
        assert_eq!(private_keys, 1, "the previous private key is deleted");

        let key_set = tables.apply(key_set.retire(&kid(1))).await;
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(2)), [kid(2)].into()));
        assert_eq!(tables.load_key_set().await, Ok(Some(key_set)));
    }

    #[tokio::test]
    async fn retired_key_leaves_a_tombstone_that_expires() {
        let (engine, tables) = tables().await;
        let key_set = tables.initial(1).await;
        let key_set = tables.apply(key_set.publish(key(2), now())).await;
        let key_set = tables.apply(key_set.promote(now()).unwrap()).await;
        let later = now().plus(Duration::from_hours(2));
        tables.apply_rotation(&key_set.retire(&kid(1)), &[], later).await.unwrap();
        let records = items_of(&engine, tables.public.name()).await;
        let tombstone = records.into_iter().find(|item| item["kid"].as_s() == Ok(&kid(1).to_string())).unwrap();
        assert_eq!(tombstone["version"], number(2));
        assert_eq!(tombstone["updatedAt"], text(later));
        let expires_at = later.unix_seconds() + 60 * 24 * 3600;
        assert_eq!(tombstone["expiresAt"], number(expires_at));
    }

    #[tokio::test]
    async fn stale_rotation_changes_nothing_and_returns_current_set() {
        let (engine, tables) = tables().await;
        let first = tables.initial(1).await;
        let second = tables.apply(first.publish(key(2), now())).await;
        let before = everything(&engine).await;
        for late in [KeySet::initial(key(3), now()), first.publish(key(3), now()), first.retire(&kid(1))] {
            let events = [event(AuditEventKind::SigningKeyPublished)];
            assert_eq!(tables.apply_rotation(&late, &events, now()).await.as_ref(), Ok(&second));
        }
        assert_eq!(everything(&engine).await, before);
    }

    #[tokio::test]
    async fn rotation_with_missing_key_is_rolled_back() {
        let (engine, tables) = tables().await;
        let key_set = tables.initial(1).await;
        let key_set = tables.apply(key_set.publish(key(2), now())).await;
        let delete = engine.client.delete_item().table_name(tables.private.name());
        delete.set_key(Some(keys::signing_key(&kid(2)).into())).send().await.unwrap();
        let before = everything(&engine).await;
        let outcome = tables.apply_rotation(&key_set.promote(now()).unwrap(), &[], now()).await;
        assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
        assert_eq!(everything(&engine).await, before);
    }

    #[tokio::test]
    async fn rotation_and_audit_events_are_stored_together() {
        let (engine, tables) = tables().await;
        let events = [event(AuditEventKind::SigningKeyPublished), event(AuditEventKind::SigningKeyPromoted)];
        tables.apply_rotation(&KeySet::initial(key(1), now()), &events, now()).await.unwrap();
        let audit_log = items_of(&engine, "AuditTable").await;
        assert_eq!(audit_log.len(), 2);
        assert!(audit_log.iter().all(|item| item["pk"].as_s().is_ok_and(|pk| pk == "DEPLOYMENT")));
    }

    #[tokio::test]
    async fn concurrent_rotations_apply_one_and_return_the_same_set() {
        let (_engine, tables) = tables().await;
        let tables = Arc::new(tables);
        let mut key_set: Option<KeySet> = None;
        for seeds in [0..8, 8..16] {
            let changes = seeds.map(|seed| match &key_set {
                None => KeySet::initial(key(seed), now()),
                Some(key_set) => key_set.publish(key(seed), now()),
            });
            let attempts: Vec<_> = changes
                .map(|change| {
                    let tables = Arc::clone(&tables);
                    tokio::spawn(async move { tables.apply(change).await })
                })
                .collect();
            let mut outcomes = Vec::new();
            for attempt in attempts {
                outcomes.push(attempt.await.unwrap());
            }
            assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
            key_set = outcomes.pop();
        }
        let key_set = key_set.unwrap();
        assert_eq!(tables.signer().await, Some(key_set.current.kid.clone()));
        assert_eq!(tables.verifying().await, key_set.keys().map(|(key, _)| key.kid.clone()).collect());
    }

    #[tokio::test]
    async fn unversioned_key_set_is_due_and_can_be_rotated() {
        let (engine, tables) = tables().await;
        tables.initial(1).await;
        // Such a deployment has stored a key set with the key's id only, and the status CURRENT with the public key.
        let key_set = engine.client.update_item().table_name(tables.private.name());
        let key_set =
            key_set.set_key(Some(keys::key_set().into())).update_expression("REMOVE since, version, retiring");
        key_set.send().await.unwrap();
        let public = engine.client.update_item().table_name(tables.public.name());
        let public =
            public.set_key(Some(keys::signing_key(&kid(1)).into())).update_expression("SET #status = :current");
        let public = public.expression_attribute_names("#status", "status");
        public.expression_attribute_values(":current", text(CURRENT)).send().await.unwrap();

        let key_set = tables.load_key_set().await.unwrap().unwrap();
        assert_eq!((key_set.version, key_set.current.since.unix_seconds()), (0, 0));
        let key_set = tables.apply(key_set.publish(key(2), now())).await;
        let key_set = tables.apply(key_set.promote(now()).unwrap()).await;
        tables.apply(key_set.retire(&kid(1))).await;
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(2)), [kid(2)].into()));
    }
}
