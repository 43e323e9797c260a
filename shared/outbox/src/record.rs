//! What a record of a stream says.

use std::error::Error;

use aws_lambda_events::dynamodb::EventRecord;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The record is of an item that is published, and is not such an item. It MUST NOT be skipped: it is a change that
/// nobody else would hear of.
#[derive(Debug, thiserror::Error)]
#[error("a record of the stream cannot be read: {0}")]
pub struct UnreadableRecord(Box<dyn Error + Send + Sync>);

impl UnreadableRecord {
    /// Says why.
    pub fn new(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(why.into())
    }
}

/// Whether an item was put or changed, and its key is one that `wanted` says yes to: partition first, then sort.
///
/// # Errors
///
/// [`UnreadableRecord`] if the record has no such key.
pub fn is_of(record: &EventRecord, wanted: impl FnOnce(&str, &str) -> bool) -> Result<bool, UnreadableRecord> {
    #[derive(Deserialize)]
    struct Key {
        pk: String,
        sk: String,
    }
    if !matches!(record.event_name.as_str(), "INSERT" | "MODIFY") {
        return Ok(false);
    }
    let Key { pk, sk } = serde_dynamo::from_item(record.change.keys.clone()).map_err(UnreadableRecord::new)?;
    Ok(wanted(&pk, &sk))
}

/// The item after the change.
///
/// # Errors
///
/// [`UnreadableRecord`] if it is something else than a `T`.
pub fn new_image<T: DeserializeOwned>(record: &EventRecord) -> Result<T, UnreadableRecord> {
    serde_dynamo::from_item(record.change.new_image.clone()).map_err(UnreadableRecord::new)
}

/// Whether this version is higher than the one that the item had before, if it had one.
pub fn is_newer(record: &EventRecord, version: u64) -> bool {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let before = serde_dynamo::from_item::<_, Versioned>(record.change.old_image.clone());
    before.map_or(true, |before| before.version < version)
}
