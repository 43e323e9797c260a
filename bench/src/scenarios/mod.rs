//! Every endpoint's ways to end, played through its real handler on a DynamoDB in memory, under a meter.

mod account;
mod docs;
mod payment;

use std::future::Future;
use std::time::Duration;

use http_api::{Problem, Request, Response};
use kernel::{Clock, SystemClock};
use lambda_http::{Context, RequestExt};
use serde_json::{Value, json};

use crate::meter::{Measured, Meter};

/// One way for a request to end.
#[derive(Debug, Clone)]
pub struct Row {
    /// The method and the path, as the API's document names them.
    pub endpoint: &'static str,
    /// Which way.
    pub outcome: &'static str,
    /// What it took.
    pub measured: Measured,
}

/// Plays all of them.
pub async fn play() -> Vec<Row> {
    let mut rows = Box::pin(account::play()).await;
    rows.extend(Box::pin(payment::play()).await);
    rows.extend(docs::play().await);
    rows
}

/// Collects what a context's endpoints take.
struct Log {
    meter: Meter,
    rows: Vec<Row>,
}

impl Log {
    fn new(meter: Meter) -> Self {
        Self { meter, rows: Vec::new() }
    }

    /// Runs a handler under the meter, and writes down what it took. It must end as it is expected to.
    async fn add<B>(
        &mut self,
        endpoint: &'static str,
        outcome: &'static str,
        expected: Expected,
        handler: impl Future<Output = Result<Response<B>, Problem>>,
    ) -> Option<Response<B>> {
        let (ended, measured) = self.meter.measure(Box::pin(handler)).await;
        let told = match &ended {
            Ok(answer) => (answer.status.as_u16(), None),
            Err(problem) => (problem.problem_type.status, Some(problem.problem_type.code)),
        };
        assert_eq!(told, (expected.0, expected.1), "{endpoint}, {outcome}");
        self.rows.push(Row { endpoint, outcome, measured });
        ended.ok()
    }
}

/// A status, and the code of a problem.
struct Expected(u16, Option<&'static str>);

const fn answers(status: u16) -> Expected {
    Expected(status, None)
}

const fn refuses(status: u16, code: &'static str) -> Expected {
    Expected(status, Some(code))
}

/// As long as a browser's.
const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
     Safari/537.36";

/// How long a function may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request as API Gateway hands it over.
fn request(body: Option<&Value>, headers: &[(&'static str, &str)]) -> Request {
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "user-agent": USER_AGENT},
        "requestContext": {
            "accountId": "123456789012",
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
            "timeEpoch": 1_769_860_800_000_i64,
        },
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    });
    let mut request = lambda_http::request::from_str(&event.to_string()).expect("an event of an HTTP API");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    let mut context = Context::default();
    "8f507cfc-xmpl-4697-b07a-ac58fc914c95".clone_into(&mut context.request_id);
    context.deadline = SystemClock.now().plus(TIMEOUT).unix_millis().try_into().expect("a time after 1970");
    request.with_lambda_context(context)
}

fn empty() -> Request {
    request(None, &[])
}

pub(crate) fn posting(body: &Value) -> Request {
    request(Some(body), &[])
}

fn named(body: &Value, key: &str) -> Request {
    request(Some(body), &[("idempotency-key", key)])
}

/// A request whose path names something.
fn at(request: Request, parameter: &str, value: &str) -> Request {
    request.with_path_parameters(std::collections::HashMap::from([(parameter.to_owned(), value.to_owned())]))
}
