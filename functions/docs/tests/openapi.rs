//! Builds the OpenAPI document from the endpoints' types and compares it with the checked-in one.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic fails the test and names the line")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use docs::files::FILE_NOT_FOUND;
use http_api::TokenCookies;
use openapi::{Endpoint, Schemas};
use serde_json::{Map, Value, json};

const TAG: &str = "About";

/// Set by `make openapi`: writes the document before comparing it.
const WRITE: &str = "WRITE_OPENAPI";

/// The lines of docs/api.md between which the table of operations is generated.
const TABLE_START: &str = "<!-- operations -->\n";
const TABLE_END: &str = "<!-- /operations -->\n";

#[test]
fn checked_in_document_matches_the_types() {
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path(), text()).unwrap();
    }
    let checked_in = std::fs::read_to_string(path()).unwrap();
    assert!(checked_in == text(), "functions/docs/openapi.json is stale: run `make openapi` and look at its diff");
}

#[test]
fn api_reference_lists_every_operation() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let checked_in = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = checked_in.split_once(TABLE_START).unwrap();
    let (_, tail) = rest.split_once(TABLE_END).unwrap();
    let expected = format!("{head}{TABLE_START}{}{TABLE_END}{tail}", operation_table());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(checked_in == expected, "docs/api.md is stale: run `make openapi` and look at its diff");
    }
}

#[test]
fn operation_ids_are_unique() {
    let document = document();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let names: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

#[test]
fn schema_references_resolve() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_problem_code_is_returned_by_an_operation() {
    let text = document()["paths"].to_string();
    let kinds = [http_api::problem_types::ALL, account::http::problems::ALL, payment::http::problems::ALL];
    for kind in kinds.into_iter().flatten() {
        assert!(text.contains(&format!("\"{}\"", kind.code)), "no operation returns {}", kind.code);
    }
}

#[test]
fn file_not_found_is_documented() {
    let row = format!("| `{}` | {} |", FILE_NOT_FOUND.code, FILE_NOT_FOUND.status);
    assert!(include_str!("../../../docs/api.md").contains(&row), "docs/api.md has no row that begins {row}");
}

#[test]
fn docs_function_depends_on_neither_context() {
    let manifest = include_str!("../Cargo.toml");
    let (shipped, for_tests) = manifest.split_once("[dev-dependencies]").unwrap();
    for context in ["account = ", "payment = "] {
        assert!(!shipped.contains(context) && for_tests.contains(context), "{context}");
    }
}

/// The operations in Markdown, grouped by tag.
fn operation_table() -> String {
    let document = document();
    let mut table = "\n| operation | |\n|---|---|\n".to_owned();
    for tag in document["tags"].as_array().unwrap() {
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if operation["tags"][0] == tag["name"] {
                    let summary = operation["summary"].as_str().unwrap();
                    writeln!(table, "| `{} {path}` | {summary} |", method.to_uppercase()).unwrap();
                }
            }
        }
    }
    table
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

/// The document as text, with sorted keys.
fn text() -> String {
    format!("{:#}\n", sorted(document()))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(records) => Value::Array(records.into_iter().map(sorted).collect()),
        value => value,
    }
}

fn document() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Schemas::default());
    account::http::describe(&mut paths, &mut schemas);
    payment::http::describe(&mut paths, &mut schemas);
    for endpoint in [home(), health(), page(), page_file(), openapi_document()] {
        endpoint.write(&mut paths, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Payments API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": include_str!("introduction.md"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        // Relative to this document, whatever the stage is called.
        "servers": [{"url": "./"}],
        "tags": [
            {"name": "Account", "description": "Users, sign-in and sessions."},
            {"name": "Wallet", "description": "Payment accounts and transfers."},
            {"name": "Payments", "description": "Collections: payments that merchants request from customers through a provider."},
            {"name": TAG, "description": "Health and documentation."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.into_json(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access_token` of `POST /api/auth/login`. Takes precedence over the cookie.",
                },
                "webhook": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "`v1,` and the base64 HMAC-SHA256 of `webhook-id.webhook-timestamp.body`.",
                },
                "secureCookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": TokenCookies::PREFIXED.access_token,
                    "description": "Set by `POST /auth/signin` and sent by browsers.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": TokenCookies::PLAIN.access_token,
                    "description": "The same on deployments without TLS, such as one on your own machine.",
                },
            },
            "parameters": {"IdempotencyKey": idempotency_key()},
            "headers": headers(),
        },
    })
}

fn idempotency_key() -> Value {
    json!({
        "in": "header",
        "name": "Idempotency-Key",
        "required": false,
        "description": "A unique key for this request, bare or quoted, without a comma. A request that is sent again with the same key takes \
            effect once and returns the first response.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-+\\--~]([ -+\\--~]*[!-+\\--~])?$"},
        "example": "9c3f0b6e-5d0b-4a53-8a57-0d4a3a1f3c11",
    })
}

fn headers() -> Value {
    let text = json!({"type": "string"});
    json!({
        "RequestId": {"description": "The id of the request. Quote it when you report a problem.", "schema": text},
        "IdempotentReplayed": {
            "description": "Present if this is the response of an earlier request with the same key.",
            "schema": {"const": "true"},
        },
        "RetryAfter": {
            "description": "Seconds to wait before retrying the request.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "WwwAuthenticate": {"description": "How to authenticate (RFC 6750).", "schema": text},
        "AccessTokenCookie": {
            "description": "The cookie `__Host-access_token`: HttpOnly, Secure, SameSite=Lax, Path=/. Empty, to clear it. Without TLS its \
                name is `access_token`.",
            "schema": text,
        },
        "TokenCookies": {
            "description": "The cookies `__Host-access_token` (HttpOnly, Secure, SameSite=Lax, Path=/) and `__Secure-refresh_token` \
                (HttpOnly, Secure, SameSite=Strict, Path=/auth below the base URL). Empty, to clear them. Without TLS their names are \
                `access_token` and `refresh_token`.",
            "schema": text,
        },
        "Link": {"description": "The same references (RFC 8631).", "schema": text},
        "Location": {"description": "Relative to the URL of the request.", "schema": {"type": "string", "format": "uri-reference"}},
        "ETag": {"description": "The version of the content, for If-None-Match.", "schema": text},
        "CacheControl": {"description": "How long the response may be cached.", "schema": text},
    })
}

fn home() -> Endpoint {
    let reference = json!({"type": "string", "format": "uri-reference"});
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object",
        "required": ["title", "version", "openapi", "docs", "health"],
        "properties": {"title": text, "version": text, "openapi": reference, "docs": reference, "health": reference},
        "additionalProperties": false,
    });
    let example = json!({
        "title": "Payments API", "version": env!("CARGO_PKG_VERSION"),
        "openapi": "openapi.json", "docs": "docs", "health": "health",
    });
    let content = json!({"application/json": {"schema": schema, "examples": {"example": {"value": example}}}});
    Endpoint::new("get", "/", TAG, "getHome", "Find the documentation")
        .description(
            "References are relative to the URL of the request. A client that prefers HTML is redirected to the page.",
        )
        .response_content(200, "Where the OpenAPI document and the documentation page are.", content)
        .with_header(200, "Link", "Link")
        .response_content(302, "To the documentation page.", json!({}))
        .with_header(302, "Location", "Location")
        .with_header(302, "Link", "Link")
}

fn health() -> Endpoint {
    let schema = json!({
        "type": "object",
        "required": ["status", "version"],
        "properties": {"status": {"const": "ok"}, "version": {"type": "string"}},
        "additionalProperties": false,
    });
    let example = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
    let content = json!({"application/json": {"schema": schema, "examples": {"example": {"value": example}}}});
    Endpoint::new("get", "/health", TAG, "getHealth", "Check the health").response_content(
        200,
        "The platform is running.",
        content,
    )
}

fn page() -> Endpoint {
    let content = json!({"text/html": {"schema": {"type": "string"}}});
    file(Endpoint::new("get", "/docs", TAG, "getDocs", "Get the documentation page"), content)
}

fn page_file() -> Endpoint {
    let files = json!({
        "type": "string",
        "enum": ["swagger-ui-bundle.js", "swagger-ui.css", "docs.js", "favicon-32x32.png"],
    });
    let content = json!({"text/javascript": {}, "text/css": {}, "image/png": {}});
    file(Endpoint::new("get", "/docs/{file}", TAG, "getDocsFile", "Get a file of the documentation page"), content)
        .path_parameter("file", "The file's name.", &files)
        .problems(&[&FILE_NOT_FOUND])
}

fn openapi_document() -> Endpoint {
    let content = json!({"application/json": {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}});
    file(Endpoint::new("get", "/openapi.json", TAG, "getOpenapi", "Get the OpenAPI document"), content)
}

fn file(endpoint: Endpoint, content: Value) -> Endpoint {
    endpoint
        .response_content(200, "The file, cacheable for an hour.", content)
        .with_header(200, "ETag", "ETag")
        .with_header(200, "Cache-Control", "CacheControl")
        .response_content(304, "Not modified: `If-None-Match` has its `ETag`.", json!({}))
}
