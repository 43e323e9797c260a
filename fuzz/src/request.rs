//! A request that is put together from its parts: a sample event, any of whose parts is replaced.

use std::path::Path;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use serde_json::{Map, Value, json};

use crate::platform::Harness;

/// Names of body fields and query parameters.
const FIELDS: [&str; 32] = [
    "amount",
    "balance",
    "code",
    "creditLimit",
    "currency",
    "currentPassword",
    "cursor",
    "customerEmail",
    "customerPhone",
    "disburseTo",
    "email",
    "fresh",
    "from",
    "fromPaymentAccountId",
    "identifier",
    "intakeShards",
    "limit",
    "newPassword",
    "note",
    "password",
    "paymentAccountId",
    "paymentAccountType",
    "paymentMethod",
    "phone",
    "principal",
    "providerTransactionId",
    "reference",
    "refresh_token",
    "scope",
    "status",
    "to",
    "toPaymentAccountId",
];

/// Values that some endpoint accepts for some field.
const KNOWN: [&str; 32] = [
    "+250788123456",
    "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
    "012345",
    "2026-01-31T12:00:00.000Z",
    "2026-01-31T12:00:00.000Z#0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
    "2026-01-31T12:00:00.000Z#PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4",
    "9999-12-31T23:59:59.999Z",
    "5f0c2d3e-7a1b-4c9d-8e6f-1a2b3c4d5e6f",
    "9007199254740991",
    "CREDIT",
    "DEBIT",
    "EUR",
    "FAILED",
    "LOAN",
    "MOBILE_MONEY",
    "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4",
    "PENDING",
    "SUCCESS",
    "USD",
    "ada-main",
    "ada@example.com",
    "all",
    "another correct horse battery",
    "ben-main",
    "ben@example.com",
    "correct horse battery",
    "email",
    "global",
    "local",
    "others",
    "phone",
    "true",
];

const HEADERS: [&str; 10] = [
    "accept",
    "authorization",
    "content-type",
    "cookie",
    "host",
    "idempotency-key",
    "origin",
    "sec-fetch-site",
    "user-agent",
    "x-forwarded-for",
];

/// Routes without a handler that reads anything.
const CONSTANT: [&str; 3] = ["GET /.well-known/jwks.json", "GET /health", "GET /openapi.json"];

#[derive(Debug, Arbitrary)]
struct Parts<'a> {
    route: u8,
    credentials: Credentials<'a>,
    method: Option<&'a str>,
    path: Option<&'a str>,
    headers: Vec<(u8, &'a str)>,
    query: Vec<(u8, Part<'a>)>,
    parameter: Option<Part<'a>>,
    body: Body<'a>,
}

#[derive(Debug, Arbitrary)]
enum Credentials<'a> {
    Sample,
    Cookies,
    Absent,
    Other(&'a str),
}

#[derive(Debug, Arbitrary)]
enum Body<'a> {
    Sample,
    /// The sample with these fields.
    With(Vec<(u8, Part<'a>)>),
    Fields(Vec<(u8, Part<'a>)>),
    Text(&'a str),
    Base64(&'a str),
    Absent,
}

#[derive(Debug, Arbitrary)]
enum Part<'a> {
    Known(u8),
    Text(&'a str),
    Integer(i64),
    Small(i8),
    Fraction(f64),
    Bool(bool),
    Null,
    List(Vec<Part<'a>>),
}

static SAMPLES: LazyLock<Vec<Value>> = LazyLock::new(samples);

/// The sample events of the HTTP functions, in the order of their names.
fn samples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = std::fs::read_dir(folder).expect("the sample events");
    let mut paths: Vec<_> = files.map(|file| file.expect("a sample event").path()).collect();
    paths.sort();
    let read = |path| serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let events = paths.iter().map(read);
    events.filter(|event: &Value| event["routeKey"].as_str().is_some_and(|route| !CONSTANT.contains(&route))).collect()
}

pub fn run(data: &[u8]) {
    let Ok(parts) = Parts::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let event = parts.event().to_string();
    Harness::with(|harness| harness.answer(&event).check(&event));
}

impl Parts<'_> {
    fn event(&self) -> Value {
        let mut event = chosen(&SAMPLES, self.route).clone();
        if let Some(method) = self.method {
            event["requestContext"]["http"]["method"] = json!(method);
        }
        if let Some(path) = self.path {
            event["rawPath"] = json!(path);
        }
        match self.credentials {
            Credentials::Sample => {}
            Credentials::Cookies => {
                event["headers"]["authorization"].take();
                event["cookies"] = json!([
                    "access_token=PUT-AN-ACCESS-TOKEN-HERE",
                    "refresh_token=AZChslw9Tm-KexydXy06S18MLT56G0ydjm8aKzxNXm9NqkU0a1bN3o0vQyJb8TzqXv1mWc7kLhF2eR5sUw9xYQh1pTz4c8Vb0nRk2yWmQe7JsA3uXfL9gDo6iHtZwB5K",
                ]);
            }
            Credentials::Absent => {
                event["headers"]["authorization"].take();
            }
            Credentials::Other(text) => event["headers"]["authorization"] = json!(text),
        }
        for (name, value) in &self.headers {
            event["headers"][*chosen(&HEADERS, *name)] = json!(value);
        }
        if !self.query.is_empty() {
            let pair = |(name, value): &(u8, Part<'_>)| format!("{}={}", chosen(&FIELDS, *name), value.text());
            event["rawQueryString"] = json!(self.query.iter().map(pair).collect::<Vec<_>>().join("&"));
        }
        if let (Some(value), Some(parameters)) = (&self.parameter, event["pathParameters"].as_object_mut()) {
            parameters.values_mut().for_each(|parameter| *parameter = json!(value.text()));
        }
        self.body.replace(&mut event);
        event
    }
}

impl Body<'_> {
    fn replace(&self, event: &mut Value) {
        match self {
            Self::Sample => {}
            Self::With(fields) => {
                let sample = event["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
                event["body"] = json!(object(sample.unwrap_or_default(), fields).to_string());
            }
            Self::Fields(fields) => event["body"] = json!(object(Map::new(), fields).to_string()),
            Self::Text(text) => event["body"] = json!(text),
            Self::Base64(text) => {
                event["body"] = json!(text);
                event["isBase64Encoded"] = json!(true);
            }
            Self::Absent => {
                event["body"].take();
            }
        }
    }
}

fn object(mut members: Map<String, Value>, fields: &[(u8, Part<'_>)]) -> Value {
    members.extend(fields.iter().map(|(name, value)| ((*chosen(&FIELDS, *name)).to_owned(), value.json())));
    Value::Object(members)
}

fn chosen<T>(from: &[T], index: u8) -> &T {
    &from[usize::from(index) % from.len()]
}

impl Part<'_> {
    fn json(&self) -> Value {
        match self {
            Self::Known(index) => json!(chosen(&KNOWN, *index)),
            Self::Text(text) => json!(text),
            Self::Integer(number) => json!(number),
            Self::Small(number) => json!(number),
            Self::Fraction(number) => json!(number),
            Self::Bool(value) => json!(value),
            Self::Null => Value::Null,
            Self::List(parts) => parts.iter().map(Self::json).collect(),
        }
    }

    fn text(&self) -> String {
        match self.json() {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}
