//! Stream records.

use std::error::Error;

use aws_lambda_events::dynamodb::EventRecord;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A record of a published item could not be decoded. It MUST NOT be skipped, or its event would be lost.
#[derive(Debug, thiserror::Error)]
#[error("stream record could not be decoded: {0}")]
pub struct RecordDecodeError(Box<dyn Error + Send + Sync>);

impl RecordDecodeError {
    pub fn new(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(why.into())
    }
}

/// Whether the record is of a put or an update of an item whose keys (partition, sort) `wanted` accepts.
///
/// # Errors
/// [`RecordDecodeError`] if the record has no such keys.
pub fn key_matches(record: &EventRecord, wanted: impl FnOnce(&str, &str) -> bool) -> Result<bool, RecordDecodeError> {
    #[derive(Deserialize)]
    struct Key {
        pk: String,
        sk: String,
    }
    if !matches!(record.event_name.as_str(), "INSERT" | "MODIFY") {
        return Ok(false);
    }
    let Key { pk, sk } = serde_dynamo::from_item(record.change.keys.clone()).map_err(RecordDecodeError::new)?;
    Ok(wanted(&pk, &sk))
}

/// Decodes the item after the change.
///
/// # Errors
/// [`RecordDecodeError`] if it is not a `T`.
pub fn new_image<T: DeserializeOwned>(record: &EventRecord) -> Result<T, RecordDecodeError> {
    serde_dynamo::from_item(record.change.new_image.clone()).map_err(RecordDecodeError::new)
}

/// Whether the version is higher than that of the item before the change, if there was one.
pub fn version_increased(record: &EventRecord, version: u64) -> bool {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let before = serde_dynamo::from_item::<_, Versioned>(record.change.old_image.clone());
    before.map_or(true, |before| before.version < version)
}
