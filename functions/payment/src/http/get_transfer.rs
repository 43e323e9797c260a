//! `GET /payments/transfers/{id}`: one transfer, for its parties.

use auth::Principal;
use http_api::{Problem, Request, Response};
use lambda_http::RequestExt;
use lambda_http::http::StatusCode;

use super::problems;
use super::wire::TransferBody;
use crate::domain::TransferId;
use crate::store::transfers::FindTransfer;

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: there is no such transfer that this person may see.
pub async fn handle<S: FindTransfer>(store: &S, principal: Principal, request: &Request) -> Result<Response, Problem> {
    let parameters = request.path_parameters_ref();
    let id = parameters.and_then(|parameters| parameters.first("id")).unwrap_or_default();
    let id = TransferId::parse(id).map_err(|_| problems::transfer_not_found())?;
    let transfer = store.find(id, principal.user_id).await.map_err(|error| problems::store(&error))?;
    let transfer = transfer.ok_or_else(problems::transfer_not_found)?;
    Response::json(StatusCode::OK, &TransferBody::from(&transfer))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use kernel::UserId;
    use serde_json::json;

    use super::super::testing::{ada, request};
    use super::*;
    use crate::domain::Transfer;
    use crate::store::StoreError;

    struct NoTransfer;

    impl FindTransfer for NoTransfer {
        async fn find(&self, _: TransferId, _: UserId) -> Result<Option<Transfer>, StoreError> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn what_is_no_transfer_of_mine_or_no_id_at_all_is_not_found() {
        for id in ["0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "x", "", "..%2f"] {
            let parameters = HashMap::from([("id".to_owned(), id.to_owned())]);
            let request = request(&json!({})).with_path_parameters(parameters);
            let problem = handle(&NoTransfer, ada(), &request).await.unwrap_err();
            assert_eq!((problem.problem_type.status, problem.problem_type.code), (404, "transfer_not_found"), "{id}");
        }
    }
}
