//! Descriptions of endpoints: their parts of the OpenAPI 3.1 document, built from their request, response and problem types.
//! None of this is linked into a function: the document is checked in, and a test of the `docs` crate compares it with the
//! one built here.

mod endpoint;
mod problem;

use std::collections::BTreeMap;

pub use endpoint::Endpoint;
pub use problem::{FieldError, Problem};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The schemas that operations refer to, by name.
#[derive(Debug, Default)]
pub struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds the schema of `T` and of the types it refers to. Returns a reference to it.
    pub fn refer<T: ToSchema>(&mut self) -> Value {
        self.refer_as::<T>(&T::name())
    }

    /// As [`refer`](Self::refer), with another name, for generic types.
    pub fn refer_as<T: ToSchema>(&mut self, name: &str) -> Value {
        let mut found = vec![(name.to_owned(), <T as PartialSchema>::schema())];
        T::schemas(&mut found);
        self.0.extend(found.into_iter().map(|(name, schema)| (name, as_json(&schema))));
        serde_json::json!({"$ref": format!("#/components/schemas/{name}")})
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn into_json(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }
}

fn as_json(schema: &RefOr<Schema>) -> Value {
    // Serializing a tree of maps with string keys cannot fail.
    serde_json::to_value(schema).unwrap_or_default()
}
