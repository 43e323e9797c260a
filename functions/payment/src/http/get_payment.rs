//! `GET /api/payments/{reference}`: one payment, for its owner.

use auth::Principal;
use http_api::{Problem, Request, Response};
use lambda_http::RequestExt;
use lambda_http::http::StatusCode;

use super::problems;
use super::wire::PaymentBody;
use crate::domain::PaymentReference;
use crate::store::payments::FindPayment;

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: there is no such payment of this person.
pub async fn handle<S: FindPayment>(store: &S, principal: Principal, request: &Request) -> Result<Response, Problem> {
    let reference = reference(request)?;
    let payment = store.find_payment(reference, principal.user_id).await.map_err(|error| problems::store(&error))?;
    Response::json(StatusCode::OK, &PaymentBody::from(&payment.ok_or_else(problems::payment_not_found)?))
}

/// The reference in the path. What is none, nobody has a payment of.
pub(super) fn reference(request: &Request) -> Result<PaymentReference, Problem> {
    let parameters = request.path_parameters_ref();
    let reference = parameters.and_then(|parameters| parameters.first("reference")).unwrap_or_default();
    PaymentReference::parse(reference).map_err(|_| problems::payment_not_found())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use kernel::UserId;
    use serde_json::json;

    use super::super::testing::{ada, request};
    use super::*;
    use crate::domain::Payment;
    use crate::store::StoreError;

    struct NoPayment;

    impl FindPayment for NoPayment {
        async fn find_payment(&self, _: PaymentReference, _: UserId) -> Result<Option<Payment>, StoreError> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn what_is_no_payment_of_mine_or_no_reference_at_all_is_not_found() {
        for reference in ["PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", "x", "", "PAY-"] {
            let parameters = HashMap::from([("reference".to_owned(), reference.to_owned())]);
            let request = request(&json!({})).with_path_parameters(parameters);
            let problem = handle(&NoPayment, ada(), &request).await.unwrap_err();
            assert_eq!(
                (problem.problem_type.status, problem.problem_type.code),
                (404, "payment_not_found"),
                "{reference}"
            );
        }
    }
}
