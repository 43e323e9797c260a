//! Loading the key that signs.

use std::future::Future;

use auth::table_keys;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Secret;

use super::records::{self, CURRENT, PrivateKeyRecord};
use super::{SigningKeyTable, StoreError};
use crate::domain::SigningKey;

/// Loads the key that signs.
pub trait LoadSigningKey {
    /// The key that signs just now, if there is one yet.
    fn load_signing_key(&self) -> impl Future<Output = Result<Option<SigningKey>, StoreError>> + Send;
}

impl LoadSigningKey for SigningKeyTable {
    async fn load_signing_key(&self) -> Result<Option<SigningKey>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :keys")
            .filter_expression("#status = :current")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":keys", AttributeValue::S(table_keys::PARTITION.to_owned()))
            .expression_attribute_values(":current", AttributeValue::S(CURRENT.to_owned()))
            .consistent_read(true)
            .send()
            .await?;
        let Some(item) = answer.items.and_then(|records| records.into_iter().next()) else { return Ok(None) };
        let item: PrivateKeyRecord = records::read(item)?;
        let pkcs8 = STANDARD.decode(item.private_key).map_err(StoreError::internal)?;
        SigningKey::from_pkcs8(Secret::new(pkcs8)).map(Some).map_err(StoreError::internal)
    }
}
