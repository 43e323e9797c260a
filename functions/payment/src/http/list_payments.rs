//! `GET /api/payments`: one's own payments, newest first, page by page.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, query_parameter};
use lambda_http::http::StatusCode;

use super::page::{Page, PageParameters};
use super::problems;
use super::wire::PaymentBody;
use crate::domain::PaymentStatus;
use crate::store::payments::{ListPayments, PaymentQuery};

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: a parameter is wrong.
pub async fn handle<S: ListPayments>(store: &S, principal: Principal, request: &Request) -> Result<Response, Problem> {
    let query = query(principal, request)?;
    let page = store.payments(query).await.map_err(|error| problems::store(&error))?;
    let payments = page.payments.iter().map(PaymentBody::from).collect();
    Response::json(StatusCode::OK, &Page::new(payments, page.next.as_ref()))
}

fn query(principal: Principal, request: &Request) -> Result<PaymentQuery, Problem> {
    let page = PageParameters::of(request)?;
    let status = query_parameter(request, "status")?;
    let mut fields = FieldErrors::default();
    let page = page.read(&mut fields);
    let known = |text| PaymentStatus::parse(text).ok_or("must be INITIATED, PENDING, SUCCESS or FAILED");
    let status = fields.read_optional("status", status.as_deref().map(known));
    let (Some((limit, after)), Some(status)) = (page, status) else { return Err(fields.problem()) };
    Ok(PaymentQuery { owner: principal.user_id, status, after, limit })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::RequestExt;
    use serde_json::json;

    use super::super::testing::{ada, pointers, request};
    use super::*;

    fn asked(parameters: &[(&str, &str)]) -> Result<PaymentQuery, Problem> {
        let parameters: HashMap<String, String> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        query(ada(), &request(&json!({})).with_query_string_parameters(parameters))
    }

    #[test]
    fn a_status_and_a_page_may_be_asked_for() {
        let query = asked(&[("status", "PENDING"), ("limit", "5")]).unwrap();
        assert_eq!((query.owner, query.status, query.limit), (ada().user_id, Some(PaymentStatus::Pending), 5));
        assert_eq!(asked(&[]).unwrap().status, None);
    }

    #[test]
    fn every_wrong_parameter_is_pointed_at() {
        let problem = asked(&[("status", "pending"), ("limit", "0"), ("cursor", "x")]).unwrap_err();
        assert_eq!(pointers(&problem), ["/limit", "/cursor", "/status"]);
    }
}
