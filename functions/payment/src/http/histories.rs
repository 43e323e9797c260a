//! `GET /payments/histories`: the transfers in and out of one's accounts, newest first, page by page.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, query_parameter};
use kernel::Timestamp;
use lambda_http::http::StatusCode;

use super::page::{Page, PageParameters};
use super::problems;
use super::wire::TransferBody;
use crate::domain::PaymentAccountId;
use crate::store::histories::{HistoryQuery, ReadHistory};

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: a parameter is wrong, or the account that is named is not one's own.
pub async fn handle<S: ReadHistory>(store: &S, principal: Principal, request: &Request) -> Result<Response, Problem> {
    let query = query(principal, request)?;
    let page = store.history(query).await.map_err(|error| problems::history(&error))?;
    let transfers = page.transfers.iter().map(|(transfer, direction)| TransferBody::directed(transfer, *direction));
    Response::json(StatusCode::OK, &Page::new(transfers.collect(), page.next.as_ref()))
}

fn query(principal: Principal, request: &Request) -> Result<HistoryQuery, Problem> {
    let page = PageParameters::of(request)?;
    let account = query_parameter(request, "paymentAccountId")?;
    let (since, before) = (query_parameter(request, "from")?, query_parameter(request, "to")?);
    let mut fields = FieldErrors::default();
    let page = page.read(&mut fields);
    let account = fields.read_optional("paymentAccountId", account.as_deref().map(PaymentAccountId::parse));
    let since = fields.read_optional("from", since.as_deref().map(Timestamp::parse));
    let before = fields.read_optional("to", before.as_deref().map(Timestamp::parse));
    let (Some((limit, after)), Some(account), Some(since), Some(before)) = (page, account, since, before) else {
        return Err(fields.problem());
    };
    Ok(HistoryQuery { owner: principal.user_id, account, since, before, after, limit })
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
}
