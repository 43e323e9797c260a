//! `GET /payments/histories`: the transfers in and out of one's accounts, newest first, page by page.

use auth::Principal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Timestamp;
use lambda_http::http::StatusCode;
use runtime::http::{Answer, Fields, Problem, Request, query_parameter};
use serde::Serialize;

use super::problems;
use super::wire::TransferBody;
use crate::domain::{PaymentAccountId, TransferId};
use crate::store::histories::{Cursor, HistoryQuery, ReadHistory};

const DEFAULT_LIMIT: usize = 20;
const LARGEST_LIMIT: usize = 100;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    data: Vec<TransferBody<'a>>,
    next_cursor: Option<String>,
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: a parameter is wrong, or the account that is named is not one's own.
pub async fn handle<S: ReadHistory>(store: &S, principal: Principal, request: &Request) -> Result<Answer, Problem> {
    let query = query(principal, request)?;
    let page = store.history(query).await.map_err(|error| problems::history(&error))?;
    let body = Page {
        data: page.transfers.iter().map(|(transfer, direction)| TransferBody::directed(transfer, *direction)).collect(),
        next_cursor: page.next.as_ref().map(write_cursor),
    };
    Answer::json(StatusCode::OK, &body)
}

fn query(principal: Principal, request: &Request) -> Result<HistoryQuery, Problem> {
    let sent = |name| query_parameter(request, name);
    let (limit, cursor, account) = (sent("limit")?, sent("cursor")?, sent("paymentAccountId")?);
    let (since, before) = (sent("from")?, sent("to")?);
    let mut fields = Fields::default();
    let limit = fields.read_optional("limit", limit.as_deref().map(read_limit));
    let after = fields.read_optional("cursor", cursor.as_deref().map(read_cursor));
    let account = fields.read_optional("paymentAccountId", account.as_deref().map(PaymentAccountId::parse));
    let since = fields.read_optional("from", since.as_deref().map(Timestamp::parse));
    let before = fields.read_optional("to", before.as_deref().map(Timestamp::parse));
    let (Some(limit), Some(after), Some(account), Some(since), Some(before)) = (limit, after, account, since, before)
    else {
        return Err(fields.problem());
    };
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    Ok(HistoryQuery { owner: principal.user_id, account, since, before, after, limit })
}

fn read_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 1..=LARGEST_LIMIT) => Ok(limit),
        _ => Err(format!("must be an integer from 1 to {LARGEST_LIMIT}")),
    }
}

fn write_cursor(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}#{}", cursor.created_at, cursor.id))
}

fn read_cursor(text: &str) -> Result<Cursor, &'static str> {
    let read = || {
        let place = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (created_at, id) = place.split_once('#')?;
        Some(Cursor { created_at: Timestamp::parse(created_at).ok()?, id: TransferId::parse(id).ok()? })
    };
    read().ok_or("must be a nextCursor as this endpoint answered it")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::RequestExt;
    use serde_json::json;

    use super::super::testing::{ada, pointers, request};
    use super::*;

    fn asked(parameters: &[(&str, &str)]) -> Result<HistoryQuery, Problem> {
        let parameters: HashMap<String, String> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        query(ada(), &request(&json!({})).with_query_string_parameters(parameters))
    }

    #[test]
    fn a_bare_request_asks_for_the_first_twenty_of_all_accounts() {
        let query = asked(&[]).unwrap();
        assert_eq!((query.owner, query.limit), (ada().user_id, 20));
        assert!(query.account.is_none() && query.after.is_none());
    }

    #[test]
    fn every_wrong_parameter_is_pointed_at() {
        let wrong =
            [("limit", "0"), ("cursor", "x"), ("paymentAccountId", "a b"), ("from", "today"), ("to", "2026-13-01")];
        let problem = asked(&wrong).unwrap_err();
        assert_eq!(pointers(&problem), ["/limit", "/cursor", "/paymentAccountId", "/from", "/to"]);
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_is_one() {
        let cursor = Cursor {
            created_at: Timestamp::parse("2026-01-31T12:00:00.123Z").unwrap(),
            id: TransferId::parse("0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b").unwrap(),
        };
        assert_eq!(read_cursor(&write_cursor(&cursor)), Ok(cursor));
        for text in ["", "x", "%%%", &URL_SAFE_NO_PAD.encode("2026-01-31T12:00:00.123Z#x")] {
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
