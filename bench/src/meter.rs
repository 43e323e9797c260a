//! A meter on the connection to DynamoDB: the round trips of a handler and their capacity units.
//!
//! Concurrent calls are one round trip. To recognize them, the meter holds every call until the handler only waits, and
//! then releases all of them: each release is a round trip, whatever the machine's speed.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::capacity::{Capacity, Index, Item, read_units, size_bytes, write_units};

/// The number of times that the task yields before a handler is considered to be waiting.
const TURNS: usize = 64;

/// A call of the API.
#[derive(Debug, Clone)]
pub struct Call {
    /// Such as `TransactWriteItems`.
    pub operation: String,
    /// The units that DynamoDB reports; none for a rejected write.
    pub reported: Option<Capacity>,
    /// The units calculated from the sizes of the items. For a rejected transaction, the maximum: as if it had been
    /// written.
    pub calculated: Capacity,
}

/// The measurement of a handler.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Sequential round trips.
    pub round_trips: usize,
    /// Every call, in the order of the responses.
    pub calls: Vec<Call>,
}

impl Measured {
    /// The total.
    pub fn capacity(&self) -> Capacity {
        self.calls.iter().map(|call| call.calculated).sum()
    }
}

#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    measuring: bool,
    held: Vec<oneshot::Sender<()>>,
    in_flight: usize,
    issued: usize,
    calls: Vec<Call>,
}

impl Meter {
    /// Returns the client with the meter on its connection.
    pub fn on(&self, client: &Client) -> Client {
        let inner = client.config().http_client().expect("a client has a connection");
        let meter = self.clone();
        let metered = http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Metered { meter: meter.clone(), inner })
        });
        Client::from_conf(client.config().to_builder().http_client(metered).build())
    }

    /// Returns the connector with the meter on it, for requests that are not made by an SDK client of this process.
    pub fn on_connector(&self, inner: SharedHttpConnector) -> SharedHttpConnector {
        SharedHttpConnector::new(Metered { meter: self.clone(), inner })
    }

    /// Runs the work and measures it.
    pub async fn measure<F: Future>(&self, work: F) -> (F::Output, Measured) {
        *self.state() = State { measuring: true, ..State::default() };
        let mut work = pin!(work);
        let mut round_trips = 0;
        let output = loop {
            tokio::select! {
                biased;
                output = &mut work => break output,
                () = self.everything_waits() => {
                    round_trips += 1;
                    for held in std::mem::take(&mut self.state().held) {
                        held.send(()).expect("a call that waits for this");
                    }
                }
            }
        };
        let calls = std::mem::take(&mut *self.state()).calls;
        (output, Measured { round_trips, calls })
    }

    /// Waits until all calls are held and none is in progress.
    async fn everything_waits(&self) {
        let waits = || {
            let state = self.state();
            (state.in_flight == 0 && !state.held.is_empty()).then_some(state.issued)
        };
        let (mut turns, mut issued) = (0, None);
        while turns < TURNS {
            tokio::task::yield_now().await;
            let now = waits();
            turns = if now.is_some() && now == issued { turns + 1 } else { 0 };
            issued = now;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the call's release, unless nothing is measured.
    fn hold(&self) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state();
        if !state.measuring {
            return None;
        }
        let (let_go, held) = oneshot::channel();
        state.issued += 1;
        state.held.push(let_go);
        Some(held)
    }
}

#[derive(Debug)]
struct Metered {
    meter: Meter,
    inner: SharedHttpConnector,
}

impl HttpConnector for Metered {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(held) = self.meter.hold() else { return self.inner.call(request) };
        let (meter, inner) = (self.meter.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            held.await.expect("the meter lets every call go");
            meter.state().in_flight += 1;
            let response = metered(&meter, Wire { inner, request }).await;
            meter.state().in_flight -= 1;
            response
        })
    }
}

async fn metered(meter: &Meter, wire: Wire) -> Result<HttpResponse, ConnectorError> {
    let operation = wire.operation();
    let mut asked = wire.body();
    let bill = Bill::open(&wire, &operation, &asked).await?;
    asked["ReturnConsumedCapacity"] = json!("INDEXES");
    let response = wire.send(&operation, &asked).await?;
    let (response, body) = read(response).await?;
    let succeeded = response.status().is_success();
    let calculated = bill.close(&wire, succeeded).await?;
    let reported = succeeded.then(|| reported(&operation, &body));
    meter.state().calls.push(Call { operation, reported, calculated });
    Ok(response)
}

/// Parses `ConsumedCapacity`, of one table or several.
fn reported(operation: &str, response: &Value) -> Capacity {
    let consumed = &response["ConsumedCapacity"];
    let tables = consumed.as_array().map_or(std::slice::from_ref(consumed), Vec::as_slice);
    let units = tables.iter().map(|table| table["CapacityUnits"].as_f64().expect("what it cost")).sum();
    if is_read(operation) { Capacity { read: units, write: 0.0 } } else { Capacity { read: 0.0, write: units } }
}

fn is_read(operation: &str) -> bool {
    ["BatchGetItem", "GetItem", "Query"].contains(&operation)
}

/// A request and its connection, for further requests.
struct Wire {
    inner: SharedHttpConnector,
    request: HttpRequest,
}

const TARGET: &str = "x-amz-target";

impl Wire {
    fn operation(&self) -> String {
        let target = self.request.headers().get(TARGET).unwrap_or_default();
        target.rsplit('.').next().unwrap_or_default().to_owned()
    }

    fn body(&self) -> Value {
        serde_json::from_slice(self.request.body().bytes().expect("a body in memory")).expect("a request in JSON")
    }

    async fn send(&self, operation: &str, body: &Value) -> Result<HttpResponse, ConnectorError> {
        let mut request = self.request.try_clone().expect("a body in memory");
        let body = body.to_string();
        let headers = request.headers_mut();
        headers.insert(TARGET, format!("DynamoDB_20120810.{operation}"));
        headers.insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        self.inner.call(request).await
    }

    async fn ask(&self, operation: &str, body: &Value) -> Result<Value, ConnectorError> {
        Ok(read(self.send(operation, body).await?).await?.1)
    }

    async fn item(&self, table: &str, key: &Value) -> Result<Option<Item>, ConnectorError> {
        let asked = json!({"TableName": table, "Key": key, "ConsistentRead": true});
        Ok(self.ask("GetItem", &asked).await?["Item"].as_object().cloned())
    }

    async fn table(&self, name: &str) -> Result<Table, ConnectorError> {
        let response = self.ask("DescribeTable", &json!({"TableName": name})).await?;
        let key = |schema: &Value| -> Vec<String> {
            let attributes = schema["KeySchema"].as_array().into_iter().flatten();
            attributes.filter_map(|attribute| attribute["AttributeName"].as_str().map(str::to_owned)).collect()
        };
        let indexes = response["Table"]["GlobalSecondaryIndexes"].as_array().into_iter().flatten().map(|index| {
            let projected = match index["Projection"]["ProjectionType"].as_str() {
                Some("ALL") => None,
                Some("KEYS_ONLY") => Some([key(&response["Table"]), key(index)].concat()),
                other => panic!("the calculation does not know indexes of {other:?}"),
            };
            Index { key: key(index), projected }
        });
        Ok(Table { key: key(&response["Table"]), indexes: indexes.collect() })
    }
}

#[derive(Debug, Clone)]
struct Table {
    key: Vec<String>,
    indexes: Vec<Index>,
}

async fn read(response: HttpResponse) -> Result<(HttpResponse, Value), ConnectorError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = ByteStream::new(response.into_body()).collect().await;
    let bytes = bytes.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let body = serde_json::from_slice(&bytes).map_err(|error| ConnectorError::io(error.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(bytes));
    *response.headers_mut() = headers;
    Ok((response, body))
}

/// The items of a call before it, from which its units are calculated afterwards.
enum Bill {
    Reads(Capacity),
    Writes { writes: Vec<Write>, tables: HashMap<String, Table>, factor: f64 },
}

/// One write, in a transaction or alone.
struct Write {
    table: String,
    key: Value,
    before: Option<Item>,
    /// The item of a put, whether or not it is written.
    put: Option<Item>,
}

impl Bill {
    async fn open(wire: &Wire, operation: &str, asked: &Value) -> Result<Self, ConnectorError> {
        let parts: Vec<&Value> = match operation {
            "GetItem" => return Ok(Self::Reads(get(wire, asked).await?)),
            "BatchGetItem" => return Ok(Self::Reads(batch_get(wire, asked).await?)),
            "Query" => return Ok(Self::Reads(query(wire, asked).await?)),
            "PutItem" | "UpdateItem" | "DeleteItem" => vec![asked],
            // Each part is an object of one member, which names the kind of write.
            "TransactWriteItems" => {
                let parts = asked["TransactItems"].as_array().into_iter().flatten();
                parts.filter_map(|part| part.as_object().and_then(|part| part.values().next())).collect()
            }
            other => panic!("the calculation does not know {other}"),
        };
        let mut tables = HashMap::new();
        let mut writes = Vec::new();
        for part in parts {
            let table = part["TableName"].as_str().expect("a table").to_owned();
            if !tables.contains_key(&table) {
                tables.insert(table.clone(), wire.table(&table).await?);
            }
            let put = part["Item"].as_object().cloned();
            let key = match &put {
                Some(item) => tables[&table].key.iter().map(|name| (name.clone(), item[name].clone())).collect(),
                None => part["Key"].clone(),
            };
            let before = wire.item(&table, &key).await?;
            writes.push(Write { table, key, before, put });
        }
        // A transaction performs every write twice: prepare and commit.
        let factor = if operation == "TransactWriteItems" { 2.0 } else { 1.0 };
        Ok(Self::Writes { writes, tables, factor })
    }

    async fn close(self, wire: &Wire, succeeded: bool) -> Result<Capacity, ConnectorError> {
        let (writes, tables, factor) = match self {
            Self::Reads(capacity) => return Ok(capacity),
            Self::Writes { writes, tables, factor } => (writes, tables, factor),
        };
        let mut units = 0.0;
        for Write { table, key, before, put } in writes {
            if succeeded {
                let after = wire.item(&table, &key).await?;
                units += factor * write_units(before.as_ref(), after.as_ref());
                let indexes = tables[&table].indexes.iter();
                units += indexes.map(|index| index.write_units(before.as_ref(), after.as_ref())).sum::<f64>();
            } else {
                units += factor * write_units(before.as_ref(), put.as_ref());
            }
        }
        Ok(Capacity { read: 0.0, write: units })
    }
}

fn is_consistent(asked: &Value) -> bool {
    asked["ConsistentRead"] == true
}

fn bytes(item: Option<&Item>) -> usize {
    item.map_or(0, size_bytes)
}

async fn get(wire: &Wire, asked: &Value) -> Result<Capacity, ConnectorError> {
    let item = wire.item(asked["TableName"].as_str().expect("a table"), &asked["Key"]).await?;
    Ok(Capacity { read: read_units(bytes(item.as_ref()), is_consistent(asked)), write: 0.0 })
}

/// Each item is rounded up separately.
async fn batch_get(wire: &Wire, asked: &Value) -> Result<Capacity, ConnectorError> {
    let mut read = 0.0;
    for (table, part) in asked["RequestItems"].as_object().into_iter().flatten() {
        for key in part["Keys"].as_array().into_iter().flatten() {
            read += read_units(bytes(wire.item(table, key).await?.as_ref()), is_consistent(part));
        }
    }
    Ok(Capacity { read, write: 0.0 })
}

/// Projections and filters do not reduce the units. The sum is rounded up once.
async fn query(wire: &Wire, asked: &Value) -> Result<Capacity, ConnectorError> {
    let mut whole = asked.clone();
    let parts = whole.as_object_mut().expect("an object");
    parts.remove("ProjectionExpression");
    parts.remove("FilterExpression");
    let key_condition = asked["KeyConditionExpression"].as_str().unwrap_or_default();
    let used: Vec<&str> = key_condition.split(|one: char| !one.is_alphanumeric() && !"#:_".contains(one)).collect();
    // DynamoDB rejects unused names and values.
    for placeholders in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let Some(Value::Object(mut some)) = parts.remove(placeholders) else { continue };
        some.retain(|name, _| used.contains(&name.as_str()));
        if !some.is_empty() {
            parts.insert(placeholders.to_owned(), some.into());
        }
    }
    let response = wire.ask("Query", &whole).await?;
    let items = response["Items"].as_array().expect("the whole result");
    let bytes = items.iter().filter_map(Value::as_object).map(size_bytes).sum();
    Ok(Capacity { read: read_units(bytes, is_consistent(asked)), write: 0.0 })
}
