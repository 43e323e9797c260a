//! The tables. Every change of an item is observed, and eventually consistent queries can lag behind.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use testkit::{InProcessDynamo, Reply};

pub(crate) const ACCOUNT_TABLE: &str = "AccountTable";
pub(crate) const AUDIT_TABLE: &str = "AuditTable";
pub(crate) const PAYMENT_TABLE: &str = "PaymentTable";
pub(crate) const SIGNING_KEY_TABLE: &str = "SigningKeyTable";

/// A table, a partition key and a sort key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) table: String,
    pub(crate) pk: String,
    pub(crate) sk: String,
}

/// A change of an item, in DynamoDB's JSON.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
}

impl Change {
    /// What the change is, if it is one that a run should have.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        let Self { key, old, new: Some(new) } = self else { return None };
        match (key.sk.as_str(), old) {
            ("ACCOUNT", Some(old)) if old.get("drawn").is_some() && old["drawn"] != new["drawn"] => {
                Some("shards drained or opened")
            }
            (sk, Some(_)) if sk.starts_with("INTAKE#") => Some("shard credited or frozen"),
            (sk, None) if sk.starts_with("INTAKE#") => Some("shard opened"),
            ("TRANSFER", None) if text(new, "status") == "FAILED" => Some("failed transfer"),
            ("TRANSFER", None) => Some("transfer"),
            ("WEBHOOK", Some(_)) => Some("webhook recorded again"),
            ("IDEMPOTENCY", None) => Some("key recorded"),
            _ if key.pk.starts_with("CLOSINGS#") => Some("closing"),
            _ => None,
        }
    }
}

/// An item that eventually consistent queries show as it was, until a time.
#[derive(Debug)]
struct Lagging {
    until_ms: u64,
    shown: Option<Value>,
}

pub(crate) struct Tables {
    dynamo: InProcessDynamo,
    items: BTreeMap<Key, Value>,
    lagging: BTreeMap<Key, Lagging>,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let dynamo = InProcessDynamo::default();
        for table in [ACCOUNT_TABLE, AUDIT_TABLE, SIGNING_KEY_TABLE] {
            dynamo.create_table("account", table);
        }
        dynamo.create_table("payment", PAYMENT_TABLE);
        Self { dynamo, items: BTreeMap::new(), lagging: BTreeMap::new() }
    }

    /// Executes a request at a time. Eventually consistent queries show what it writes `lag_ms` later.
    pub(crate) fn execute(&mut self, operation: &str, body: &str, now_ms: u64, lag_ms: u64) -> (Reply, Vec<Change>) {
        let mut reply = self.dynamo.execute(operation, body);
        if matches!(operation, "Query" | "Scan") && reply.status == 200 {
            self.show_as_it_lags(body, &mut reply, now_ms);
        }
        if reply.status != 200 {
            return (reply, Vec::new());
        }
        let changes: Vec<_> = written_keys(operation, body).into_iter().filter_map(|key| self.changed(key)).collect();
        if lag_ms > 0 {
            for change in &changes {
                let lagging = Lagging { until_ms: now_ms + lag_ms, shown: change.old.clone() };
                self.lagging.insert(change.key.clone(), lagging);
            }
        }
        (reply, changes)
    }

    pub(crate) fn item(&self, table: &str, pk: &str, sk: &str) -> Option<&Value> {
        self.items.get(&Key { table: table.to_owned(), pk: pk.to_owned(), sk: sk.to_owned() })
    }

    /// The items of a table with this sort key.
    pub(crate) fn with_sort_key<'a>(&'a self, table: &'a str, sk: &'a str) -> impl Iterator<Item = &'a Value> {
        self.items.iter().filter(move |(key, _)| key.table == table && key.sk == sk).map(|(_, item)| item)
    }

    /// The items of a table.
    pub(crate) fn of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        self.items.iter().filter(move |(key, _)| key.table == table)
    }

    fn changed(&mut self, key: Key) -> Option<Change> {
        let request = json!({
            "TableName": key.table, "ConsistentRead": true, "Key": {"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        });
        let reply = self.dynamo.execute("GetItem", &request.to_string());
        let mut reply: Value = serde_json::from_str(&reply.body).expect("a response in JSON");
        let new = reply.get_mut("Item").map(Value::take);
        let old = match &new {
            Some(item) => self.items.insert(key.clone(), item.clone()),
            None => self.items.remove(&key),
        };
        (old != new).then_some(Change { key, old, new })
    }

    fn show_as_it_lags(&mut self, request: &str, reply: &mut Reply, now_ms: u64) {
        self.lagging.retain(|_, lagging| lagging.until_ms > now_ms);
        let request: Value = serde_json::from_str(request).expect("a request in JSON");
        let is_consistent = request["ConsistentRead"].as_bool().unwrap_or_default();
        if is_consistent || self.lagging.is_empty() {
            return;
        }
        let table = request["TableName"].as_str().unwrap_or_default();
        let mut body: Value = serde_json::from_str(&reply.body).expect("a response in JSON");
        let Some(items) = body["Items"].as_array_mut() else { return };
        let before = items.len();
        *items = std::mem::take(items).into_iter().filter_map(|item| self.shown(table, item)).collect();
        if items.len() < before {
            body["Count"] = json!(items.len());
        }
        reply.body = body.to_string();
    }

    fn shown(&self, table: &str, item: Value) -> Option<Value> {
        match self.lagging.get(&key_of(table, &item)) {
            Some(lagging) => lagging.shown.clone(),
            None => Some(item),
        }
    }
}

fn key_of(table: &str, item: &Value) -> Key {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    Key { table: table.to_owned(), pk: text("pk"), sk: text("sk") }
}

fn written_keys(operation: &str, body: &str) -> Vec<Key> {
    if !matches!(operation, "BatchWriteItem" | "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem") {
        return Vec::new();
    }
    let body: Value = serde_json::from_str(body).expect("a request in JSON");
    let key = |write: &Value| {
        let item = write.get("Item").or_else(|| write.get("Key"))?;
        Some(key_of(write["TableName"].as_str().unwrap_or_default(), item))
    };
    match operation {
        "TransactWriteItems" => writes_of(&body).filter_map(|(_, write)| key(write)).collect(),
        "BatchWriteItem" => batch_keys(body["RequestItems"].as_object()),
        _ => key(&body).into_iter().collect(),
    }
}

/// The writes of a transaction with their kinds. Condition checks write nothing.
fn writes_of(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let items = body["TransactItems"].as_array().into_iter().flatten();
    items.filter_map(Value::as_object).flatten().filter(|(kind, _)| *kind != "ConditionCheck")
}

fn batch_keys(tables: Option<&Map<String, Value>>) -> Vec<Key> {
    let tables = tables.into_iter().flatten();
    let requests =
        tables.flat_map(|(table, requests)| requests.as_array().into_iter().flatten().map(move |r| (table, r)));
    let keys = requests.map(|(table, request)| {
        let item = request.pointer("/PutRequest/Item").or_else(|| request.pointer("/DeleteRequest/Key"));
        key_of(table, item.expect("a put or a delete"))
    });
    keys.collect()
}

/// A text attribute of an item.
pub(crate) fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

/// A number attribute of an item, 0 if it is missing.
pub(crate) fn number(item: &Value, name: &str) -> i64 {
    item[name]["N"].as_str().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}
