//! Public keys of access tokens, read from the table of the context that verifies them.
//!
//! Both contexts keep them in the same form: partition [`PARTITION`], sort key [`sort_key`], attributes `kid` and
//! `publicKey`; of a key that verifies no more, a tombstone whose [`STATUS`] is [`RETIRED`]. The account context writes
//! its own; the payment context writes what the events tell it.

use std::time::Duration;

use crate::{LoadKeys, LoadKeysError, PublicKey};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::KeyId;

use dynamo::StoreError;

/// The partition that holds a table's public keys.
pub const PARTITION: &str = "SIGNING_KEYS";

/// The attribute that tells a key from a tombstone.
pub const STATUS: &str = "status";

/// The status of a key that verifies no more.
pub const RETIRED: &str = "RETIRED";

/// How long a tombstone stands: longer than an event that the key was published can be on its way, in a queue and in its
/// dead-letter queue, which keep it for 14 days each.
pub const TOMBSTONE_LASTS: Duration = Duration::from_hours(60 * 24);

/// The sort key of a public key.
pub fn sort_key(kid: &KeyId) -> String {
    format!("KEY#{kid}")
}

/// The public keys in a table.
#[derive(Debug, Clone)]
pub struct TableKeys {
    client: Client,
    table: String,
}

impl TableKeys {
    /// The public keys in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl LoadKeys for TableKeys {
    async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
        let answer = self
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
        let text = |value: Option<&AttributeValue>| value.and_then(|value| value.as_s().ok()).cloned();
        answer
            .items()
            .iter()
            .map(|item| match (text(item.get("kid")), text(item.get("publicKey"))) {
                (Some(kid), Some(x)) => Ok(PublicKey { kid: KeyId::new(kid), x }),
                _ => Err(LoadKeysError("an item among the public keys is none".to_owned())),
            })
            .collect()
    }
}
