//! The wire part of the OpenAPI document, and the problem codes in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::compare::assert_golden;

/// Members of the document that are prose.
const PROSE: [&str; 6] = ["summary", "description", "title", "example", "examples", "externalDocs"];

fn document() -> Value {
    serde_json::from_str(include_str!("../../../functions/docs/openapi.json")).unwrap()
}

/// Components that nearly every operation refers to: they are compared once, by name.
const SHARED: [&str; 2] = ["/schemas/Problem", "/headers/"];

/// The value without prose, and with every reference replaced by what it refers to: names of schemas are not on the
/// wire.
fn wire_part(document: &Value, value: &Value, is_map_of_names: bool) -> Value {
    match value {
        Value::Array(values) => values.iter().map(|value| wire_part(document, value, false)).collect(),
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            if let Some(reference) =
                reference.filter(|reference| !SHARED.iter().any(|shared| reference.contains(shared)))
            {
                let target = document.pointer(reference.trim_start_matches('#')).expect("a reference that resolves");
                return wire_part(document, target, false);
            }
            let members = members.iter().filter(|(name, _)| is_map_of_names || !PROSE.contains(&name.as_str()));
            let members = members.map(|(name, value)| {
                let is_map_of_names = !is_map_of_names && (name == "properties" || name == "paths");
                (name.clone(), wire_part(document, value, is_map_of_names))
            });
            Value::Object(members.collect())
        }
        value => value.clone(),
    }
}

#[test]
fn openapi_wire_part_matches_the_golden_file() {
    let document = document();
    let components = &document["components"];
    let wire = json!({
        "paths": wire_part(&document, &document["paths"], true),
        "problem": wire_part(&document, &components["schemas"]["Problem"], false),
        "headers": wire_part(&document, &components["headers"], true),
        "securitySchemes": wire_part(&document, &components["securitySchemes"], true),
    });
    assert_golden("openapi-wire.json", &wire);
}

#[test]
fn problem_codes_match_the_golden_file() {
    let mut problems = BTreeMap::new();
    collect_problems(&document(), &mut problems);
    assert!(problems.len() > 30, "{problems:?}");
    assert_golden("problems.json", &json!(problems));
}

/// Collects the code, status and retryability of every example of a problem.
fn collect_problems(value: &Value, problems: &mut BTreeMap<String, Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_problems(value, problems)),
        Value::Object(members) => {
            if let Some((code, problem)) = problem(members) {
                let known = problems.insert(code.clone(), problem.clone());
                assert!(known.is_none_or(|known| known == problem), "{code} has two meanings");
            }
            members.values().for_each(|value| collect_problems(value, problems));
        }
        _ => {}
    }
}

fn problem(members: &Map<String, Value>) -> Option<(String, Value)> {
    let code = members.get("code")?.as_str()?;
    let (status, retryable) = (members.get("status")?.as_u64()?, members.get("retryable")?.as_bool()?);
    Some((code.to_owned(), json!({"status": status, "retryable": retryable, "type": members.get("type")?})))
}
