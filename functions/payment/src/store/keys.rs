//! The public keys of access tokens, as the account context publishes and retires them.

use std::future::Future;

use auth::table_keys;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use contracts::{RetiredKey, SigningKey};
use kernel::KeyId;

use super::item::{key, number, text};
use super::{StoreError, Table};

/// Keeps public keys as the account context tells of them.
pub trait SyncKey {
    /// Stores the key as the event says, if the event is newer than what is stored.
    fn sync_key(&self, signing_key: &SigningKey, version: u64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Lets go of public keys that verify no more.
pub trait SyncKeyEnd {
    /// Leaves a tombstone in the key's place, if the event is newer than what is stored. MUST leave one too where there is
    /// no key yet: that it was published may be told later.
    fn sync_key_end(&self, retired: &RetiredKey, version: u64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl SyncKey for Table {
    async fn sync_key(&self, signing_key: &SigningKey, version: u64) -> Result<(), StoreError> {
        let public_key = ("publicKey".to_owned(), text(&signing_key.public_key));
        self.put_key(&signing_key.kid, version, [public_key]).await
    }
}

impl SyncKeyEnd for Table {
    async fn sync_key_end(&self, retired: &RetiredKey, version: u64) -> Result<(), StoreError> {
        let expires_at = self.clock.now().plus(table_keys::TOMBSTONE_LASTS).unix_seconds();
        let status = (table_keys::STATUS.to_owned(), text(table_keys::RETIRED));
        self.put_key(&retired.kid, version, [status, ("expiresAt".to_owned(), number(expires_at))]).await
    }
}

impl Table {
    async fn put_key(
        &self,
        kid: &KeyId,
        version: u64,
        attributes: impl IntoIterator<Item = (String, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let mut item = key(table_keys::PARTITION, &table_keys::sort_key(kid));
        item.insert("kid".to_owned(), text(kid));
        item.insert("version".to_owned(), number(version));
        item.extend(attributes);
        let outcome = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR version < :version")
            .expression_attribute_values(":version", number(version))
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}
