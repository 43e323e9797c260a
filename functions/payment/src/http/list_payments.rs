//! `GET /api/payments`: lists the user's payments, newest first.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, query_parameter};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde_json::json;
use strum::VariantArray;

use super::dto::PaymentBody;
use super::page::{Page, PageParameters, paginated};
use super::{PAYMENTS, examples};
use crate::app::list_payments::list_payments;
use crate::domain::{PaymentStatus, TokenClaims};
pub use crate::store::Store as State;
use crate::store::transfers::PageRange;

/// The query parameters.
pub const QUERY: &[&str] = &["limit", "cursor", "status"];

/// # Errors
///
/// A [`Problem`] if a parameter is invalid.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let (status, range) = parse(&request)?;
    let page = list_payments(state, principal.user_id, &TokenClaims::from(&principal), status, &range).await?;
    let payments = page.entries.iter().map(PaymentBody::from).collect();
    Response::json(StatusCode::OK, &Page::new(payments, page.next.as_ref(), page.complete_until))
}

fn parse(request: &Request) -> Result<(Option<PaymentStatus>, PageRange), Problem> {
    let page = PageParameters::from_request(request)?;
    let status = query_parameter(request, "status")?;
    let mut fields = FieldErrors::default();
    let page = page.parse(&mut fields);
    let parsed = |text: &str| text.parse().map_err(|_| "must be INITIATED, PENDING, SUCCESS or FAILED");
    let status = fields.read_optional("status", status.as_deref().map(parsed));
    let (Some((limit, after)), Some(status)) = (page, status) else { return Err(fields.problem()) };
    Ok((status, PageRange { after, limit, ..PageRange::default() }))
}

pub(super) fn describe() -> Endpoint {
    let page = json!({"data": [examples::payment()], "nextCursor": null, "completeUntil": "2026-01-31T12:00:00.000Z"});
    let status = json!({"type": "string", "enum": PaymentStatus::VARIANTS});
    paginated(Endpoint::new("get", "/api/payments", PAYMENTS, "listPayments", "List payments"))
        .query("status", "Only payments with this status.", &status)
        .authenticated()
        .named_response::<Page<PaymentBody<'_>>>("PaymentPage", 200, "A page of payments, newest first.", &page)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::RequestExt;
    use serde_json::json;

    use super::*;
    use crate::testing::{pointers, request};

    fn query(parameters: &[(&str, &str)]) -> Result<(Option<PaymentStatus>, PageRange), Problem> {
        let parameters: HashMap<String, String> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(&request(&json!({})).with_query_string_parameters(parameters))
    }

    #[test]
    fn status_and_limit_are_optional() {
        let (status, range) = query(&[("status", "PENDING"), ("limit", "5")]).unwrap();
        assert_eq!((status, range.limit), (Some(PaymentStatus::Pending), 5));
        assert_eq!(query(&[]).unwrap().0, None);
    }

    #[test]
    fn every_invalid_parameter_is_reported() {
        let problem = query(&[("status", "pending"), ("limit", "0"), ("cursor", "x")]).unwrap_err();
        assert_eq!(pointers(&problem), ["/limit", "/cursor", "/status"]);
    }
}
