//! Pages of a list: their parameters and cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_api::{FieldErrors, Problem, Request, query_parameter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Place;

pub(super) const DEFAULT_LIMIT: usize = 20;
pub(super) const LARGEST_LIMIT: usize = 100;

/// A page as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(description = "A page of a list, newest first.")]
pub(super) struct Page<T> {
    data: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn new(data: Vec<T>, next: Option<&Place>) -> Self {
        Self { data, next_cursor: next.map(write_cursor) }
    }
}

/// Which page is asked for: how long it is, and after which place it begins.
#[derive(Debug)]
pub(super) struct PageParameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageParameters {
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        Ok(Self { limit: query_parameter(request, "limit")?, cursor: query_parameter(request, "cursor")? })
    }

    pub(super) fn read(&self, fields: &mut FieldErrors) -> Option<(usize, Option<Place>)> {
        let limit = fields.read_optional("limit", self.limit.as_deref().map(read_limit));
        let after = fields.read_optional("cursor", self.cursor.as_deref().map(read_cursor));
        Some((limit?.unwrap_or(DEFAULT_LIMIT), after?))
    }
}

fn read_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=LARGEST_LIMIT) => Ok(limit),
        _ => Err(format!("must be an integer from 1 to {LARGEST_LIMIT}")),
    }
}

fn write_cursor(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

fn read_cursor(text: &str) -> Result<Place, &'static str> {
    let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    place.and_then(|place| Place::parse(&place)).ok_or("must be a nextCursor as this endpoint answered it")
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_is_one() {
        let place = Place::of(Timestamp::parse("2026-01-31T12:00:00.123Z").unwrap(), "PAY-1");
        assert_eq!(read_cursor(&write_cursor(&place)), Ok(place));
        for text in ["", "x", "%%%", &URL_SAFE_NO_PAD.encode("2026-01-31T12:00:00.123Z#")] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_an_integer_from_1_to_100() {
        assert_eq!((read_limit("1"), read_limit("100")), (Ok(1), Ok(100)));
        for text in ["", "0", "-1", "101", "1.5", "ten", "99999999999999999999"] {
            assert!(read_limit(text).is_err(), "{text}");
        }
    }
}
