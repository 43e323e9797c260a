//! Records: serde types that are stored as items.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// An item, or the key of one.
pub type Item = HashMap<String, AttributeValue>;

/// Serializes a record.
///
/// # Errors
///
/// [`StoreError::Internal`] if the type cannot be stored as an item.
pub fn to_item(record: impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::to_item(record).map_err(StoreError::internal)
}

/// Deserializes a record.
///
/// # Errors
///
/// [`StoreError::Internal`], naming the item's partition key, if the item does not have the record's shape.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
    serde_dynamo::from_item(item).map_err(|error| StoreError::Internal(format!("{pk}: {error}")))
}

/// The key of an item.
pub fn key(pk: impl Display, sk: impl Display) -> Item {
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// A string attribute.
pub fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
pub fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
