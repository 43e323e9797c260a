//! Requests as API Gateway sends them.

use std::time::Duration;

use http_api::Request;
use kernel::{Clock, SystemClock};
use lambda_http::{Context, RequestExt};
use serde_json::{Value, json};

/// A user agent of a browser's length.
const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
     Safari/537.36";

/// The timeout of a function.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request as API Gateway sends it.
pub fn request(body: Option<&Value>, headers: &[(&'static str, &str)]) -> Request {
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

/// A request without a body.
pub fn empty() -> Request {
    request(None, &[])
}

/// A request with a body.
pub fn post(body: &Value) -> Request {
    request(Some(body), &[])
}

/// A request with a body and an idempotency key.
pub fn keyed(body: &Value, key: &str) -> Request {
    request(Some(body), &[("idempotency-key", key)])
}

/// Adds a path parameter to a request.
pub fn with_path_parameter(request: Request, parameter: &str, value: &str) -> Request {
    request.with_path_parameters(std::collections::HashMap::from([(parameter.to_owned(), value.to_owned())]))
}
