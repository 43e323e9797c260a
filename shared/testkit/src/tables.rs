//! Tables as defined in the templates in `infra/`.

use dynoxide::actions::create_table::CreateTableRequest;
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// The properties of `AWS::DynamoDB::Table` that affect requests.
const SHAPE: [&str; 4] = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"];

pub(crate) fn create_table_request(stack: &str, logical_id: &str) -> CreateTableRequest {
    let path = format!("{}/../../infra/{stack}.yaml", env!("CARGO_MANIFEST_DIR"));
    let template = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let template: Yaml = serde_yaml_ng::from_str(&template).unwrap_or_else(|error| panic!("{path}: {error}"));
    let properties = &template["Resources"][logical_id]["Properties"];
    let mut request = Map::from_iter([("TableName".to_owned(), json!(logical_id))]);
    for part in SHAPE {
        if let Some(value) = properties.get(part) {
            let value: Value = serde_yaml_ng::from_value(value.clone()).expect("plain values, no functions");
            request.insert(part.to_owned(), value);
        }
    }
    serde_json::from_value(Value::Object(request)).unwrap_or_else(|error| panic!("{path}: {logical_id}: {error}"))
}
