//! How an endpoint describes itself: its part of the OpenAPI 3.1 document, made from the types that it reads and writes
//! and from the kinds of problem that it answers with.
//!
//! Nothing of this runs in a function: the document is checked in, and a test of the `docs` crate compares it with what
//! is made here.

mod endpoint;
mod problem;

use std::collections::BTreeMap;

pub use endpoint::Endpoint;
pub use problem::{FieldError, Problem};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The schemas that a part of the document refers to, by name.
#[derive(Debug, Default)]
pub struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds the schema of `T` and all that it refers to; a reference to it.
    pub fn refer<T: ToSchema>(&mut self) -> Value {
        self.refer_as::<T>(&T::name())
    }

    /// The same under another name: a generic type has one for all that it can hold.
    pub fn refer_as<T: ToSchema>(&mut self, name: &str) -> Value {
        let mut found = vec![(name.to_owned(), <T as PartialSchema>::schema())];
        T::schemas(&mut found);
        self.0.extend(found.into_iter().map(|(name, schema)| (name, as_json(&schema))));
        serde_json::json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// Adds those of another part.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All of them, by name.
    pub fn into_json(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }
}

fn as_json(schema: &RefOr<Schema>) -> Value {
    // A schema is a tree of maps with text for keys, which is the one thing that cannot fail to be written.
    serde_json::to_value(schema).unwrap_or_default()
}
