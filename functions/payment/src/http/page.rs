//! Paginated lists: their query parameters and cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_api::{FieldErrors, Problem, Request, query_parameter};
use kernel::Timestamp;
use openapi::Endpoint;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::Cursor;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(description = "A page of a list, newest first.")]
pub(super) struct Page<T> {
    data: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// The list is complete up to this creation time, exclusive: no further entry will appear before it.
    complete_until: Timestamp,
}

impl<T> Page<T> {
    pub(super) fn new(data: Vec<T>, next: Option<&Cursor>, complete_until: Timestamp) -> Self {
        Self { data, next_cursor: next.map(encode), complete_until }
    }
}

/// The query parameters of a page.
#[derive(Debug)]
pub(super) struct PageParameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageParameters {
    pub(super) fn from_request(request: &Request) -> Result<Self, Problem> {
        Ok(Self { limit: query_parameter(request, "limit")?, cursor: query_parameter(request, "cursor")? })
    }

    /// Parses the limit and the cursor.
    pub(super) fn parse(&self, fields: &mut FieldErrors) -> Option<(usize, Option<Cursor>)> {
        let limit = fields.read_optional("limit", self.limit.as_deref().map(parse_limit));
        let after = fields.read_optional("cursor", self.cursor.as_deref().map(decode));
        Some((limit?.unwrap_or(DEFAULT_LIMIT), after?))
    }
}

/// Adds the query parameters of a page to an operation.
pub(super) fn paginated(endpoint: Endpoint) -> Endpoint {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT});
    endpoint.query("limit", "The maximum number of entries on the page.", &limit).query(
        "cursor",
        "The `nextCursor` of the previous page.",
        &json!({"type": "string"}),
    )
}

fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        _ => Err(format!("must be an integer from 1 to {MAX_LIMIT}")),
    }
}

fn encode(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(cursor.to_string())
}

fn decode(text: &str) -> Result<Cursor, &'static str> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.and_then(|cursor| cursor.parse().ok()).ok_or("must be a nextCursor that this endpoint returned")
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn cursor_round_trips_and_other_text_is_rejected() {
        let cursor = Cursor::new(Timestamp::parse("2026-01-31T12:00:00.123Z").unwrap(), "PAY-1");
        assert_eq!(decode(&encode(&cursor)), Ok(cursor));
        for text in ["", "x", "%%%", &URL_SAFE_NO_PAD.encode("2026-01-31T12:00:00.123Z#")] {
            assert!(decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limit_outside_1_to_100_is_rejected() {
        assert_eq!((parse_limit("1"), parse_limit("100")), (Ok(1), Ok(100)));
        for text in ["", "0", "-1", "101", "1.5", "ten", "99999999999999999999"] {
            assert!(parse_limit(text).is_err(), "{text}");
        }
    }
}
