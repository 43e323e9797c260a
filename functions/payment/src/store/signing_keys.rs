//! The public keys of access tokens, which the account context publishes and retires.

use auth::table_keys;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{key, number, text};
use kernel::KeyId;

use super::{Store, StoreError};

impl Store {
    /// Stores a public key, unless a newer version of it is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn put_key(&self, kid: &KeyId, public_key: &str, version: u64) -> Result<(), StoreError> {
        self.put_key_version(kid, version, [("publicKey".to_owned(), text(public_key))]).await
    }

    /// Replaces a public key by a tombstone, unless a newer version of it is stored. The tombstone is also written if the
    /// key is not stored, because the event that published it may arrive later.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn retire_key(&self, kid: &KeyId, version: u64) -> Result<(), StoreError> {
        let expires_at = self.now().plus(table_keys::TOMBSTONE_TTL).unix_seconds();
        let status = (table_keys::STATUS.to_owned(), text(table_keys::RETIRED));
        self.put_key_version(kid, version, [status, ("expiresAt".to_owned(), number(expires_at))]).await
    }

    async fn put_key_version(
        &self,
        kid: &KeyId,
        version: u64,
        attributes: impl IntoIterator<Item = (String, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let mut item = key(table_keys::PARTITION, table_keys::sort_key(kid));
        item.insert("kid".to_owned(), text(kid));
        item.insert("version".to_owned(), number(version));
        item.extend(attributes);
        let put = |put: PutItemFluentBuilder| {
            put.condition_expression("attribute_not_exists(pk) OR version < :version")
                .expression_attribute_values(":version", number(version))
        };
        self.table.put_item(item, put).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
