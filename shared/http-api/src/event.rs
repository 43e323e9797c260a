//! Reading an event of an API Gateway HTTP API, payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
//!
//! `lambda_http` panics on events that clients can cause (`GET /health?a=<b>`, `X-Forwarded-Proto: https,http`, a malformed
//! `Host`), and loses all cookies if one is not ASCII. Here a part that cannot be represented is either kept in a form that
//! its readers reject, or makes the request a 400. See docs/adr/0019-own-event-reader.md.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::header::COOKIE;
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Context, RequestExt};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Problem, Request, problem_types};

/// What a path and a query must not contain (RFC 3986), apart from the percent sign: API Gateway decodes the path.
const NOT_IN_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Stands for a character that a header value must not contain. The value is not text to its readers.
const OPAQUE: u8 = 0x80;

/// The stage whose name is not part of the path.
const DEFAULT_STAGE: &str = "$default";

/// The members of an event that are read. Each may have any type, except the objects, and occurs at most once.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    raw_path: Value,
    raw_query_string: Value,
    headers: Value,
    cookies: Value,
    query_string_parameters: Value,
    path_parameters: Value,
    request_context: EventContext,
    body: Value,
    is_base64_encoded: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventContext {
    http: EventHttp,
    stage: Value,
    route_key: Value,
    request_id: Value,
    domain_name: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventHttp {
    method: Value,
    source_ip: Value,
}

/// Reads an event. The request has every part that could be read, for the access log, even if it is rejected.
pub(crate) fn read(event: &str, context: Context) -> (Request, Result<(), Problem>) {
    let (request, verdict) = request(serde_json::from_str(event).unwrap_or_default());
    (request.with_lambda_context(context), verdict)
}

fn request(event: Event) -> (Request, Result<(), Problem>) {
    let gateway = event.request_context;
    let method = text(gateway.http.method).and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let stage = text(gateway.stage);
    let path = text(event.raw_path);
    let query = text(event.raw_query_string);
    let uri = path.as_deref().and_then(|path| uri(stage.as_deref(), path, query.as_deref().unwrap_or_default()));
    let body = body(event.body, &event.is_base64_encoded);
    let headers = headers(event.headers, event.cookies);
    let parts = [
        ("method", method.is_some()),
        ("path", uri.is_some()),
        ("headers", headers.is_some()),
        ("body", body.is_some()),
    ];
    let verdict = parts.into_iter().find(|(_, is_readable)| !is_readable).map_or(Ok(()), |(part, _)| {
        let detail = format!("The request cannot be read: its {part} is malformed.");
        Err(Problem::new(&problem_types::INVALID_REQUEST, detail).with_cause("malformed event"))
    });

    let mut request = Request::new(body.unwrap_or_default());
    *request.method_mut() = method.clone().unwrap_or_default();
    *request.uri_mut() = uri.unwrap_or_default();
    *request.headers_mut() = headers.unwrap_or_default();
    let query = match query {
        Some(query) => query.parse().unwrap_or_default(),
        None => QueryMap::from(texts(event.query_string_parameters)),
    };
    let parameters = texts(event.path_parameters);
    let mut context = ApiGatewayV2httpRequestContext::default();
    context.route_key = text(gateway.route_key);
    context.request_id = text(gateway.request_id);
    context.domain_name = text(gateway.domain_name);
    context.stage = stage;
    context.http.source_ip = text(gateway.http.source_ip);
    context.http.method = method.unwrap_or_default();
    let request = request
        .with_raw_http_path(path.unwrap_or_default())
        .with_query_string_parameters(query)
        .with_path_parameters(parameters)
        .with_request_context(RequestContext::ApiGatewayV2(context));
    (request, verdict)
}

/// The path, after the stage unless that is the default one or API Gateway has put it there, and the query.
fn uri(stage: Option<&str>, path: &str, query: &str) -> Option<Uri> {
    let stage = stage.filter(|stage| *stage != DEFAULT_STAGE && !path.starts_with(&format!("/{stage}/")));
    let stage = stage.map(|stage| format!("/{stage}")).unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = utf8_percent_encode(path, NOT_IN_URI);
    let mut uri = format!("{stage}{slash}{path}");
    if !query.is_empty() {
        uri.push('?');
        uri.extend(utf8_percent_encode(query, NOT_IN_URI));
    }
    uri.parse().ok()
}

/// The headers, with the cookies that API Gateway takes out of them. `None` if there are too many.
///
/// A header whose name is invalid is dropped: no reader knows it.
fn headers(headers: Value, cookies: Value) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in object(headers) {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        for value in strings(value) {
            map.try_append(&name, header_value(value)?).ok()?;
        }
    }
    let cookies = strings(cookies);
    if !cookies.is_empty() {
        map.remove(COOKIE);
    }
    for cookie in cookies {
        map.try_append(COOKIE, header_value(cookie)?).ok()?;
    }
    Some(map)
}

fn header_value(text: String) -> Option<HeaderValue> {
    if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
        return Some(value);
    }
    let mut bytes = text.into_bytes();
    for byte in &mut bytes {
        if byte.is_ascii_control() && *byte != b'\t' {
            *byte = OPAQUE;
        }
    }
    HeaderValue::from_bytes(&bytes).ok()
}

fn body(body: Value, is_base64: &Value) -> Option<Body> {
    let is_base64 = !is_base64.is_null() && is_base64.as_bool()?;
    match body {
        Value::Null => Some(Body::Empty),
        Value::String(body) if is_base64 => STANDARD.decode(body).ok().map(Body::Binary),
        Value::String(body) => Some(Body::Text(body)),
        _ => None,
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn texts(value: Value) -> HashMap<String, Vec<String>> {
    object(value).into_iter().map(|(name, value)| (name, strings(value))).collect()
}

/// A string, or the strings of an array.
fn strings(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.into_iter().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A GET of a path with these members in place of the usual ones. A null removes one.
    fn event(members: Value) -> Value {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "GET /auth/me",
            "rawPath": "/auth/me",
            "rawQueryString": "",
            "headers": {"host": "api.example.com", "x-forwarded-proto": "https"},
            "requestContext": {
                "domainName": "api.example.com",
                "http": {"method": "GET", "path": "/auth/me", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "GET /auth/me",
                "stage": "$default",
            },
            "isBase64Encoded": false,
        });
        for (name, value) in object(members) {
            event[name] = value;
        }
        event
    }

    fn with_context(name: &str, value: Value) -> Value {
        let mut event = event(json!({}));
        event["requestContext"][name] = value;
        event
    }

    fn accepted(event: &Value) -> Request {
        let (request, verdict) = read(&event.to_string(), Context::default());
        assert!(verdict.is_ok(), "{event}: {verdict:?}");
        request
    }

    fn is_rejected(event: &str) -> bool {
        let (request, verdict) = read(event, Context::default());
        let Err(problem) = verdict else { return false };
        assert_eq!(problem.problem_type, &problem_types::INVALID_REQUEST, "{event}");
        assert!(request.uri().path().starts_with('/'), "{event}");
        true
    }

    #[test]
    fn every_part_of_a_request_is_read() {
        let event = event(json!({
            "rawQueryString": "scope=others&a=%C3%A9&a=2",
            "cookies": ["access_token=a.b.c", "theme=dark"],
            "headers": {"Content-Type": "application/json", "x-forwarded-for": "192.0.2.1"},
            "pathParameters": {"id": "7"},
            "body": "{}",
        }));
        let request = accepted(&event);
        assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/auth/me"));
        let query = request.query_string_parameters();
        assert_eq!((query.first("scope"), query.all("a")), (Some("others"), Some(vec!["\u{e9}", "2"])));
        assert_eq!(request.path_parameters().first("id"), Some("7"));
        assert_eq!(request.headers()["content-type"], "application/json");
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["access_token=a.b.c", "theme=dark"]);
        assert_eq!(**request.body(), *b"{}");
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { panic!() };
        assert_eq!(context.route_key.as_deref(), Some("GET /auth/me"));
        assert_eq!(context.request_id.as_deref(), Some("JKJaXmPLvHcESHA="));
        assert_eq!(context.http.source_ip.as_deref(), Some("192.0.2.1"));
        assert_eq!(context.domain_name.as_deref(), Some("api.example.com"));
    }

    #[test]
    fn any_query_and_path_are_representable() {
        for query in
            ["a=<b>", "a=\"b\"", "a=[b]", "a=#b", "a b", "a=%", "a=%zz", "a=%ff", "\u{e9}", "?", "&&=", "\u{0}\r\n"]
        {
            accepted(&event(json!({"rawQueryString": query})));
        }
        let request = accepted(&event(json!({"rawQueryString": "a=<b>&c=\u{e9}"})));
        let parameters = request.query_string_parameters();
        assert_eq!((parameters.first("a"), parameters.first("c")), (Some("<b>"), Some("\u{e9}")));
        assert_eq!(request.uri(), "/auth/me?a=%3Cb%3E&c=%C3%A9");
        for (path, readable) in [
            ("/docs/<x>", "/docs/%3Cx%3E"),
            ("/docs/a b?c#d", "/docs/a%20b%3Fc%23d"),
            ("/docs/\u{e9}", "/docs/%C3%A9"),
            ("/docs/../me", "/docs/../me"),
            ("//evil.example/docs", "//evil.example/docs"),
            ("/\u{0}", "/%00"),
            ("docs", "/docs"),
            ("*", "/*"),
            ("", "/"),
        ] {
            assert_eq!(accepted(&event(json!({"rawPath": path}))).uri().path(), readable);
        }
    }

    #[test]
    fn stage_is_part_of_the_path_once() {
        for path in ["/auth/me", "/prod/auth/me"] {
            let mut event = with_context("stage", json!("prod"));
            event["rawPath"] = json!(path);
            assert_eq!(accepted(&event).uri().path(), "/prod/auth/me");
        }
    }

    #[test]
    fn malformed_unused_headers_are_ignored() {
        for (name, value) in [
            ("host", json!("a b")),
            ("host", json!("api.example.com:port")),
            ("host", json!("[::1")),
            ("host", json!("")),
            ("x-forwarded-proto", json!("https,http")),
            ("x-forwarded-proto", json!("h t t p")),
            ("x-note", json!("Jos\u{e9}")),
            ("x-note", json!("a\u{0}\r\nb\u{7f}")),
            ("x-note", json!(null)),
            ("x-note", json!(7)),
            ("not a name", json!("a")),
            ("\u{e9}", json!("a")),
            ("", json!("a")),
        ] {
            accepted(&event(json!({"headers": {name: value}})));
        }
        for headers in [json!(null), json!([]), json!("a")] {
            accepted(&event(json!({"headers": headers, "cookies": headers, "pathParameters": headers})));
        }
        for domain in [json!("a b"), json!(7), json!(null)] {
            accepted(&with_context("domainName", domain));
        }
    }

    #[test]
    fn undecodable_header_value_is_present_but_not_text() {
        let event =
            event(json!({"headers": {"origin": "https://a\u{0}b"}, "cookies": ["name=Jos\u{e9}", "a=b\u{1}", "c=d"]}));
        let request = accepted(&event);
        assert!(request.headers()["origin"].to_str().is_err());
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(cookies, ["name=Jos\u{e9}".as_bytes(), b"a=b\x80", b"c=d"]);
    }

    #[test]
    fn repeated_headers_are_all_kept() {
        let request = accepted(&event(json!({"headers": {"a": ["1", "2"], "A": "3"}})));
        assert_eq!(request.headers().get_all("a").iter().count(), 3);
    }

    #[test]
    fn base64_body_is_decoded() {
        let event = event(json!({"body": "e30=", "isBase64Encoded": true}));
        assert_eq!(**accepted(&event).body(), *b"{}");
    }

    #[test]
    fn request_that_cannot_be_represented_is_rejected() {
        for method in [json!("GE T"), json!(""), json!(null), json!(7), json!("\u{e9}")] {
            assert!(is_rejected(&with_context("http", json!({"method": method})).to_string()), "{method}");
        }
        for context in [json!(null), json!("a"), json!({}), json!({"http": null})] {
            assert!(is_rejected(&event(json!({"requestContext": context})).to_string()), "{context}");
        }
        for path in [json!(null), json!(7), json!(format!("/{}", "a".repeat(70_000)))] {
            assert!(is_rejected(&event(json!({"rawPath": path})).to_string()));
        }
        for body in ["not base64", "e30", "\u{e9}"] {
            assert!(is_rejected(&event(json!({"body": body, "isBase64Encoded": true})).to_string()), "{body}");
        }
        assert!(is_rejected(&event(json!({"body": {}})).to_string()));
        assert!(is_rejected(&event(json!({"body": "e30=", "isBase64Encoded": "yes"})).to_string()));
        let headers: Map<_, _> = (0..40_000).map(|n| (format!("x-{n}"), json!(""))).collect();
        assert!(is_rejected(&event(json!({"headers": headers})).to_string()));
    }

    #[test]
    fn event_of_another_source_is_rejected() {
        for event in ["null", "{}", "[]", "7", "\"a\"", "{\"rawPath\": \"\\ud800\"}", "{\"Records\": []}", "not JSON"] {
            assert!(is_rejected(event), "{event}");
        }
        let repeated = event(json!({})).to_string().replacen('{', "{\"rawPath\": \"/\", ", 1);
        assert!(is_rejected(&repeated), "{repeated}");
    }
}
