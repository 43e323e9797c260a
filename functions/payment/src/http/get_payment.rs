//! `GET /api/payments/{reference}`: returns a payment to its owner.

use auth::Principal;
use http_api::{Problem, Request, Response};
use lambda_http::RequestExt;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde_json::json;

use super::dto::PaymentBody;
use super::{PAYMENTS, examples, problems};
use crate::app::get_payment::get_payment;
use crate::domain::{PaymentReference, TokenClaims};
pub use crate::store::Store as State;

/// # Errors
///
/// A [`Problem`] if the user has no such payment.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let reference = path_reference(&request)?;
    let payment = get_payment(state, reference, principal.user_id, &TokenClaims::from(&principal)).await?;
    Response::json(StatusCode::OK, &PaymentBody::from(&payment))
}

/// The reference in the path. An invalid reference is reported as an unknown one.
pub(super) fn path_reference(request: &Request) -> Result<PaymentReference, Problem> {
    let parameters = request.path_parameters_ref();
    let reference = parameters.and_then(|parameters| parameters.first("reference")).unwrap_or_default();
    PaymentReference::parse(reference).map_err(|_| problems::payment_not_found())
}

pub(super) fn describe() -> Endpoint {
    let endpoint = Endpoint::new("get", "/api/payments/{reference}", PAYMENTS, "getPayment", "Get a payment");
    by_reference(endpoint).authenticated().response::<PaymentBody<'_>>(200, "The payment.", &examples::payment())
}

/// Adds the path parameter of a payment's reference to an operation.
pub(super) fn by_reference(endpoint: Endpoint) -> Endpoint {
    let reference = json!({"$ref": "#/components/schemas/PaymentReference"});
    endpoint
        .path_parameter("reference", "The payment's reference.", &reference)
        .problems(&[&problems::PAYMENT_NOT_FOUND])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, request};

    #[tokio::test]
    async fn unknown_or_invalid_reference_is_not_found() {
        let app = TestApp::new().await;
        let ada = app.user().await;
        for reference in ["PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", "x", "", "PAY-"] {
            let parameters = HashMap::from([("reference".to_owned(), reference.to_owned())]);
            let request = request(&json!({})).with_path_parameters(parameters);
            let problem = handle(&app.store, ada.principal(), request).await.unwrap_err();
            assert_eq!(
                (problem.problem_type.status, problem.problem_type.code),
                (404, "payment_not_found"),
                "{reference}"
            );
        }
    }
}
