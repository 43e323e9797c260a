//! Turning the key ring.

use std::future::Future;
use std::sync::Arc;

use auth::table_keys;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use dynamo::compat::condition_failed;
use kernel::{KeyId, Random, Timestamp};

use super::records::{self, CURRENT, KeySetRecord, PrivateKeyRecord, PublicKeyRecord};
use super::transaction::{commit, put, update};
use super::{AuditTable, StoreError};
use crate::domain::{AuditEvent, KeySet, KeySetChange};

/// Turns the key ring.
pub trait ApplyRotation {
    /// Stores all of the turn and these records of it, unless the ring has been turned since it was loaded: then nothing.
    /// Answers with the ring as it now is. Of several calls at once, MUST let one store its turn.
    fn apply_rotation(
        &self,
        turn: &KeySetChange,
        records: &[AuditEvent],
        now: Timestamp,
    ) -> impl Future<Output = Result<KeySet, StoreError>> + Send;
}

/// The tables that hold the halves of the signing keys, and the trail of what becomes of them.
#[derive(Clone)]
pub struct KeyTables {
    pub(super) client: Client,
    account_table: String,
    pub(super) signing_key_table: String,
    audit: AuditTable,
    /// Spreads retries in time.
    random: Arc<dyn Random + Send + Sync>,
}

impl KeyTables {
    /// Public halves go to the one table, private ones and the ring to the other.
    pub fn new(
        client: Client,
        account_table: impl Into<String>,
        signing_key_table: impl Into<String>,
        audit: AuditTable,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        Self {
            client,
            account_table: account_table.into(),
            signing_key_table: signing_key_table.into(),
            audit,
            random: Arc::new(random),
        }
    }

    /// The ring after the turn, on the condition that it is still the one before it.
    fn turn_ring(&self, ring: &KeySet) -> Result<TransactWriteItem, StoreError> {
        // A ring from before there were turns has no version, and neither has one that is not there.
        let before = ring.version.saturating_sub(1);
        let condition = if before == 0 { "attribute_not_exists(version)" } else { "version = :before" };
        let put = Put::builder()
            .table_name(&self.signing_key_table)
            .set_item(Some(records::write(KeySetRecord::from(ring))?))
            .condition_expression(condition)
            .set_expression_attribute_values(
                (before > 0).then(|| [(":before".to_owned(), AttributeValue::N(before.to_string()))].into()),
            )
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn promote(&self, kid: &KeyId) -> Result<TransactWriteItem, StoreError> {
        update(&self.signing_key_table, records::signing_key_key(kid), |update| {
            update
                .update_expression("SET #status = :current")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":current", AttributeValue::S(CURRENT.to_owned()))
        })
    }

    fn forget(&self, kid: &KeyId) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.signing_key_table)
            .set_key(Some(records::signing_key_key(kid)))
            .build()
            .map_err(StoreError::internal)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Leaves a tombstone, whose higher version is published.
    fn retire(&self, kid: &KeyId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let expires_at = now.plus(table_keys::TOMBSTONE_LASTS).unix_seconds();
        update(&self.account_table, records::signing_key_key(kid), |update| {
            update
                .update_expression("SET #status = :retired, updatedAt = :now, expiresAt = :expiresAt ADD version :one")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#status", table_keys::STATUS)
                .expression_attribute_values(":retired", AttributeValue::S(table_keys::RETIRED.to_owned()))
                .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
                .expression_attribute_values(":expiresAt", AttributeValue::N(expires_at.to_string()))
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        })
    }
}

impl ApplyRotation for KeyTables {
    async fn apply_rotation(
        &self,
        turn: &KeySetChange,
        records: &[AuditEvent],
        now: Timestamp,
    ) -> Result<KeySet, StoreError> {
        let mut writes = vec![self.turn_ring(&turn.ring)?];
        if let Some(key) = &turn.adds {
            let private = PrivateKeyRecord::new(key, turn.adds_the_current_key(), now);
            writes.push(put(&self.signing_key_table, private, None)?);
            writes.push(put(&self.account_table, PublicKeyRecord::new(key, now), None)?);
        }
        if let Some(kid) = &turn.promotes {
            writes.push(self.promote(kid)?);
        }
        if let Some(kid) = &turn.forgets {
            writes.push(self.forget(kid)?);
        }
        if let Some(kid) = &turn.retires {
            writes.push(self.retire(kid, now)?);
        }
        for record in records {
            writes.push(self.audit.with(record)?);
        }
        let Err(reasons) = commit(&self.client, &*self.random, writes).await? else {
            return Ok(turn.ring.clone());
        };
        let of_the_ring = reasons.into_iter().next().filter(condition_failed);
        let turned =
            of_the_ring.ok_or_else(|| StoreError::internal("the ring names a key of which a half is missing"))?;
        let turned = turned.item.ok_or_else(|| StoreError::internal("the ring was turned, but not to what"))?;
        records::read::<KeySetRecord>(turned)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use auth::LoadKeys;
    use auth::table_keys::TableKeys;
    use kernel::testing::SeededRandom;
    use testkit::Engine;

    use super::super::records::Item;
    use super::super::testing::{items_of, now};
    use super::super::{LoadKeySet, LoadSigningKey, SigningKeyTable};
    use super::*;
    use crate::domain::{AuditEventKind, AuditSubject, SigningKey};

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

    fn record(kind: AuditEventKind) -> AuditEvent {
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
        async fn turn(&self, turn: KeySetChange) -> KeySet {
            self.apply_rotation(&turn, &[], now()).await.unwrap()
        }

        /// A ring with this key, which signs.
        async fn begun(&self, seed: u64) -> KeySet {
            self.turn(KeySet::initial(key(seed), now())).await
        }

        async fn signer(&self) -> Option<KeyId> {
            let table = SigningKeyTable::new(self.client.clone(), &self.signing_key_table);
            table.load_signing_key().await.unwrap().map(|key| key.kid().clone())
        }

        async fn verifying(&self) -> HashSet<KeyId> {
            let keys = TableKeys::new(self.client.clone(), &self.account_table).load_keys().await.unwrap();
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
    async fn each_half_can_be_loaded_from_the_table_it_belongs_to_and_the_private_one_from_no_other() {
        let (engine, tables) = tables().await;
        let private = SigningKeyTable::new(engine.client.clone(), &tables.signing_key_table);
        assert!(private.load_signing_key().await.unwrap().is_none());
        assert_eq!(tables.load_key_set().await, Ok(None));

        let ring = tables.begun(1).await;
        assert_eq!(tables.load_key_set().await, Ok(Some(ring)));
        let loaded = private.load_signing_key().await.unwrap().unwrap();
        assert_eq!(loaded.pkcs8(), key(1).pkcs8());
        let public = TableKeys::new(engine.client.clone(), &tables.account_table).load_keys().await.unwrap();
        assert_eq!((&public[0].kid, public[0].x.as_str(), public.len()), (key(1).kid(), key(1).public_key(), 1));
        assert!(items_of(&engine, &tables.account_table).await.iter().all(|item| !item.contains_key("privateKey")));
    }

    #[tokio::test]
    async fn each_turn_is_one_round_trip_and_its_effect_that_of_the_state() {
        let (engine, tables) = tables().await;
        let ring = tables.begun(1).await;
        let ring = tables.turn(ring.publish(key(2), now())).await;
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(1)), [kid(1), kid(2)].into()));

        engine.round_trips();
        let ring = tables.turn(ring.promote(now()).unwrap()).await;
        assert_eq!(engine.round_trips(), ["TransactWriteItems"]);
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(2)), [kid(1), kid(2)].into()));
        let private = items_of(&engine, &tables.signing_key_table).await;
        let halves = private.iter().filter(|item| item.contains_key("privateKey")).count();
        assert_eq!(halves, 1, "what signs no more is gone");

        let ring = tables.turn(ring.retire(&kid(1))).await;
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(2)), [kid(2)].into()));
        assert_eq!(tables.load_key_set().await, Ok(Some(ring)));
    }

    #[tokio::test]
    async fn a_retired_key_leaves_a_tombstone_that_is_newer_and_goes_when_nothing_older_can_come() {
        let (engine, tables) = tables().await;
        let ring = tables.begun(1).await;
        let ring = tables.turn(ring.publish(key(2), now())).await;
        let ring = tables.turn(ring.promote(now()).unwrap()).await;
        let later = now().plus(Duration::from_hours(2));
        tables.apply_rotation(&ring.retire(&kid(1)), &[], later).await.unwrap();
        let records = items_of(&engine, &tables.account_table).await;
        let tombstone = records.into_iter().find(|item| item["kid"].as_s() == Ok(&kid(1).to_string())).unwrap();
        assert_eq!(tombstone["version"], AttributeValue::N("2".to_owned()));
        assert_eq!(tombstone["updatedAt"], AttributeValue::S(later.to_string()));
        let expires_at = later.unix_seconds() + 60 * 24 * 3600;
        assert_eq!(tombstone["expiresAt"], AttributeValue::N(expires_at.to_string()));
    }

    #[tokio::test]
    async fn a_turn_of_a_ring_that_has_been_turned_changes_nothing_and_is_answered_with_the_ring_as_it_is() {
        let (engine, tables) = tables().await;
        let first = tables.begun(1).await;
        let second = tables.turn(first.publish(key(2), now())).await;
        let before = everything(&engine).await;
        for late in [KeySet::initial(key(3), now()), first.publish(key(3), now()), first.retire(&kid(1))] {
            let records = [record(AuditEventKind::SigningKeyPublished)];
            assert_eq!(tables.apply_rotation(&late, &records, now()).await.as_ref(), Ok(&second));
        }
        assert_eq!(everything(&engine).await, before);
    }

    #[tokio::test]
    async fn a_turn_that_cannot_be_stored_whole_is_not_stored_at_all() {
        let (engine, tables) = tables().await;
        let ring = tables.begun(1).await;
        let ring = tables.turn(ring.publish(key(2), now())).await;
        let delete = engine.client.delete_item().table_name(&tables.signing_key_table);
        delete.set_key(Some(records::signing_key_key(&kid(2)))).send().await.unwrap();
        let before = everything(&engine).await;
        let outcome = tables.apply_rotation(&ring.promote(now()).unwrap(), &[], now()).await;
        assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
        assert_eq!(everything(&engine).await, before);
    }

    #[tokio::test]
    async fn what_is_written_down_is_one_with_the_turn() {
        let (engine, tables) = tables().await;
        let records = [record(AuditEventKind::SigningKeyPublished), record(AuditEventKind::SigningKeyPromoted)];
        tables.apply_rotation(&KeySet::initial(key(1), now()), &records, now()).await.unwrap();
        let audit_log = items_of(&engine, "AuditTable").await;
        assert_eq!(audit_log.len(), 2);
        assert!(audit_log.iter().all(|item| item["pk"].as_s().is_ok_and(|pk| pk == "DEPLOYMENT")));
    }

    #[tokio::test]
    async fn of_several_at_once_one_turns_the_ring_and_all_are_answered_with_that() {
        let (_engine, tables) = tables().await;
        let tables = Arc::new(tables);
        let mut ring: Option<KeySet> = None;
        for seeds in [0..8, 8..16] {
            let turns = seeds.map(|seed| match &ring {
                None => KeySet::initial(key(seed), now()),
                Some(ring) => ring.publish(key(seed), now()),
            });
            let attempts: Vec<_> = turns
                .map(|turn| {
                    let tables = Arc::clone(&tables);
                    tokio::spawn(async move { tables.turn(turn).await })
                })
                .collect();
            let mut answers = Vec::new();
            for attempt in attempts {
                answers.push(attempt.await.unwrap());
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
            ring = answers.pop();
        }
        let ring = ring.unwrap();
        assert_eq!(tables.signer().await, Some(ring.current.kid.clone()));
        assert_eq!(tables.verifying().await, ring.keys().map(|(key, _)| key.kid.clone()).collect());
    }

    #[tokio::test]
    async fn the_key_of_a_deployment_from_before_there_were_turns_is_due_and_is_followed() {
        let (engine, tables) = tables().await;
        tables.begun(1).await;
        // What such a deployment has: a ring with nothing but the key's id, and CURRENT on the public half.
        let ring = engine.client.update_item().table_name(&tables.signing_key_table);
        let ring = ring.set_key(Some(records::key_set_key())).update_expression("REMOVE since, version, retiring");
        ring.send().await.unwrap();
        let public = engine.client.update_item().table_name(&tables.account_table);
        let public =
            public.set_key(Some(records::signing_key_key(&kid(1)))).update_expression("SET #status = :current");
        let public = public.expression_attribute_names("#status", "status");
        public.expression_attribute_values(":current", AttributeValue::S(CURRENT.to_owned())).send().await.unwrap();

        let ring = tables.load_key_set().await.unwrap().unwrap();
        assert_eq!((ring.version, ring.current.since.unix_seconds()), (0, 0));
        let ring = tables.turn(ring.publish(key(2), now())).await;
        let ring = tables.turn(ring.promote(now()).unwrap()).await;
        tables.turn(ring.retire(&kid(1))).await;
        assert_eq!((tables.signer().await, tables.verifying().await), (Some(kid(2)), [kid(2)].into()));
    }
}
