//! The public keys of access tokens, as the account context publishes them.

use std::future::Future;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use contracts::SigningKey;

use super::item::{key, number, text};
use super::{StoreError, Table};

/// Keeps public keys as the account context tells of them.
pub trait SyncKey {
    /// Stores the key as the event says, if the event is newer than what is stored.
    fn sync_key(&self, signing_key: &SigningKey, version: u64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl SyncKey for Table {
    async fn sync_key(&self, signing_key: &SigningKey, version: u64) -> Result<(), StoreError> {
        let mut item = key(runtime::keys::PARTITION, &runtime::keys::sort_key(&signing_key.kid));
        item.insert("kid".to_owned(), text(&signing_key.kid));
        item.insert("publicKey".to_owned(), text(&signing_key.public_key));
        item.insert("version".to_owned(), number(version));
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
