//! `GET /payments/histories`: lists the transfers from and to the user's accounts, newest first.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, query_parameter};
use kernel::Timestamp;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde_json::json;

use super::dto::TransferBody;
use super::page::{Page, PageParameters, paginated};
use super::{WALLET, examples, problems};
use crate::app::list_history::{HistoryQuery, list_history};
use crate::domain::{PaymentAccountId, TokenClaims};
pub use crate::store::Store as State;
use crate::store::transfers::PageRange;

/// The query parameters.
pub const QUERY: &[&str] = &["limit", "cursor", "paymentAccountId", "from", "to"];

/// # Errors
///
/// A [`Problem`] if a parameter is invalid, or the account is not the user's.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let query = parse(&principal, &request)?;
    let page = list_history(state, &query).await?;
    let transfers = page.entries.iter().map(|(transfer, direction)| TransferBody::with_direction(transfer, *direction));
    Response::json(StatusCode::OK, &Page::new(transfers.collect(), page.next.as_ref(), page.complete_until))
}

fn parse(principal: &Principal, request: &Request) -> Result<HistoryQuery, Problem> {
    let page = PageParameters::from_request(request)?;
    let account = query_parameter(request, "paymentAccountId")?;
    let (since, before) = (query_parameter(request, "from")?, query_parameter(request, "to")?);
    let mut fields = FieldErrors::default();
    let page = page.parse(&mut fields);
    let account = fields.read_optional("paymentAccountId", account.as_deref().map(PaymentAccountId::parse));
    let since = fields.read_optional("from", since.as_deref().map(Timestamp::parse));
    let before = fields.read_optional("to", before.as_deref().map(Timestamp::parse));
    let (Some((limit, after)), Some(account), Some(since), Some(before)) = (page, account, since, before) else {
        return Err(fields.problem());
    };
    Ok(HistoryQuery {
        owner: principal.user_id,
        claims: TokenClaims::from(principal),
        account,
        range: PageRange { since, before, after, limit },
    })
}

pub(super) fn describe() -> Endpoint {
    let mut transfer = examples::transfer("SEND", Some("ada-main"), Some("ben-main"));
    if let Some(members) = transfer.as_object_mut() {
        members.insert("direction".to_owned(), json!("OUT"));
    }
    let time = json!({"type": "string", "format": "date-time"});
    let account = json!({"$ref": "#/components/schemas/PaymentAccountId"});
    paginated(Endpoint::new("get", "/payments/histories", WALLET, "listHistories", "List transfers"))
        .query("paymentAccountId", "Only transfers from and to this account, which must be yours.", &account)
        .query("from", "The earliest creation time, inclusive.", &time)
        .query("to", "The latest creation time, exclusive.", &time)
        .authenticated()
        .named_response::<Page<TransferBody<'_>>>(
            "TransferPage",
            200,
            "A page of transfers, newest first.",
            &json!({"data": [transfer], "nextCursor": null, "completeUntil": "2026-01-31T12:00:00.000Z"}),
        )
        .problems(&[&problems::ACCOUNT_NOT_FOUND])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use kernel::testing::SeededRandom;
    use kernel::{SessionId, UserId};
    use lambda_http::RequestExt;
    use serde_json::json;

    use super::*;
    use crate::domain::TokenClaims;
    use crate::testing::{TestUser, pointers, request};

    fn ada() -> TestUser {
        let random = SeededRandom::new(1);
        let claims = TokenClaims { epoch: 0, session: SessionId::random(&random), issued_at: 0 };
        TestUser { id: UserId::random(&random), claims }
    }

    fn query(parameters: &[(&str, &str)]) -> Result<HistoryQuery, Problem> {
        let parameters: HashMap<String, String> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(&ada().principal(), &request(&json!({})).with_query_string_parameters(parameters))
    }

    #[test]
    fn request_without_parameters_has_the_defaults() {
        let query = query(&[]).unwrap();
        assert_eq!((query.owner, query.range.limit), (ada().id, 20));
        assert!(query.account.is_none() && query.range.after.is_none());
    }

    #[test]
    fn every_invalid_parameter_is_reported() {
        let invalid =
            [("limit", "0"), ("cursor", "x"), ("paymentAccountId", "a b"), ("from", "today"), ("to", "2026-13-01")];
        let problem = query(&invalid).unwrap_err();
        assert_eq!(pointers(&problem), ["/limit", "/cursor", "/paymentAccountId", "/from", "/to"]);
    }
}
