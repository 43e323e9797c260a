//! The functions of `template.yaml` and their environments.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_yaml_ng::Value;

use super::lambda::Variables;

/// A function of the template.
#[derive(Debug, Clone)]
pub struct Deployed {
    pub binary: String,
    pub variables: Variables,
    pub is_behind_the_api: bool,
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The functions, sorted by program.
pub fn functions() -> Vec<Deployed> {
    let template = std::fs::read_to_string(root().join("template.yaml")).expect("template.yaml");
    let template: Value = serde_yaml_ng::from_str(&template).expect("YAML");
    let shared = &template["Globals"]["Function"];
    let resources = template["Resources"].as_mapping().expect("resources").values();
    let mut functions: Vec<Deployed> = resources
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function")
        .map(|resource| {
            let mut variables = BTreeMap::new();
            for settings in [shared, &resource["Properties"]] {
                for (name, value) in settings["Environment"]["Variables"].as_mapping().into_iter().flatten() {
                    variables.insert(text(name), resolve(value, &template));
                }
            }
            let mut events =
                resource["Properties"]["Events"].as_mapping().into_iter().flat_map(|events| events.values());
            let is_behind_the_api = events.any(|event| event["Type"] == "HttpApi");
            Deployed { binary: text(&resource["Metadata"]["BuildProperties"]["Binary"]), variables, is_behind_the_api }
        })
        .collect();
    functions.sort_by(|one, other| one.binary.cmp(&other.binary));
    functions
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("not a text: {other:?}"),
    }
}

/// Resolves a value of the template: parameters by their defaults for a development stage, tables by the names of their
/// resources.
fn resolve(value: &Value, template: &Value) -> String {
    let Value::Tagged(tagged) = value else { return text(value) };
    match (tagged.tag.to_string().as_str(), &tagged.value) {
        ("!Ref", name) if name == "SelfDeposit" || name == "SelfCredit" => "enabled".to_owned(),
        ("!Ref", name) => text(template["Parameters"].get(text(name)).map_or(name, |parameter| &parameter["Default"])),
        ("!GetAtt", name) => {
            let name = text(name);
            let last = name.rsplit('.').next().unwrap_or_default();
            last.strip_suffix("Name").unwrap_or(last).to_owned()
        }
        (_, Value::String(text)) => text.clone(),
        (tag, _) => tag.to_owned(),
    }
}

/// The tables of a stack in `infra/`.
pub fn tables(stack: &str) -> Vec<String> {
    let template = std::fs::read_to_string(root().join("infra").join(format!("{stack}.yaml"))).expect("a stack");
    let template: Value = serde_yaml_ng::from_str(&template).expect("YAML");
    let resources = template["Resources"].as_mapping().expect("resources");
    let tables = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table");
    tables.map(|(name, _)| text(name)).collect()
}
