//! Public keys of access tokens in the table of the context that verifies them.
//! Both contexts store them alike: partition [`PARTITION`], sort key [`sort_key`], attributes `kid` and `publicKey`. A
//! retired key is replaced by a tombstone with the [`STATUS`] [`RETIRED`]. The account context writes its own; the payment
//! context replicates them from events.

use std::time::Duration;

use crate::{LoadKeys, LoadKeysError, PublicKey};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::KeyId;

use dynamo::StoreError;

/// The partition of a table's public keys.
pub const PARTITION: &str = "SIGNING_KEYS";

/// The attribute that distinguishes a key from a tombstone.
pub const STATUS: &str = "status";

/// The status of a tombstone.
pub const RETIRED: &str = "RETIRED";

/// The lifetime of a tombstone: longer than the event that published the key can be delayed, which is 14 days in the queue
/// and 14 days in its dead-letter queue.
pub const TOMBSTONE_TTL: Duration = Duration::from_hours(60 * 24);

pub fn sort_key(kid: &KeyId) -> String {
    format!("KEY#{kid}")
}

#[derive(Debug, Clone)]
pub struct TableKeys {
    client: Client,
    table: String,
}

impl TableKeys {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl LoadKeys for TableKeys {
    async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
        let response = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :keys")
            .filter_expression("NOT #status = :retired")
            .expression_attribute_names("#status", STATUS)
            .expression_attribute_values(":keys", AttributeValue::S(PARTITION.to_owned()))
            .expression_attribute_values(":retired", AttributeValue::S(RETIRED.to_owned()))
            .projection_expression("kid, publicKey")
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| LoadKeysError(StoreError::from(error).to_string()))?;
        // A page holds thousands of keys. One that is missing here would be rejected as unknown.
        if response.last_evaluated_key().is_some() {
            return Err(LoadKeysError("the public keys do not fit one page".to_owned()));
        }
        let text = |value: Option<&AttributeValue>| value.and_then(|value| value.as_s().ok()).cloned();
        response
            .items()
            .iter()
            .map(|item| match (text(item.get("kid")), text(item.get("publicKey"))) {
                (Some(kid), Some(x)) => Ok(PublicKey { kid: KeyId::new(kid), x }),
                _ => Err(LoadKeysError("a public key item lacks kid or publicKey".to_owned())),
            })
            .collect()
    }
}
