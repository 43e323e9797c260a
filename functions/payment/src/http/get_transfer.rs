//! `GET /payments/transfers/{id}`: returns a transfer to its parties.

use auth::Principal;
use http_api::{Problem, Request, Response};
use lambda_http::RequestExt;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde_json::json;

use super::dto::TransferBody;
use super::{WALLET, examples, problems};
use crate::app::get_transfer::get_transfer;
use crate::domain::{TokenClaims, TransferId};
pub use crate::store::Store as State;

/// # Errors
///
/// A [`Problem`] if there is no such transfer that the user can see.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let parameters = request.path_parameters_ref();
    let id = parameters.and_then(|parameters| parameters.first("id")).unwrap_or_default();
    let id = TransferId::parse(id).map_err(|_| problems::transfer_not_found())?;
    let transfer = get_transfer(state, id, principal.user_id, &TokenClaims::from(&principal)).await?;
    Response::json(StatusCode::OK, &TransferBody::from(&transfer))
}

pub(super) fn describe() -> Endpoint {
    let transfer = examples::transfer("SEND", Some("ada-main"), Some("ben-main"));
    Endpoint::new("get", "/payments/transfers/{id}", WALLET, "getTransfer", "Get a transfer")
        .description(
            "Returns a transfer to its initiator and to the owners of its accounts. A FAILED transfer, which is the record \
             of a failed request with an idempotency key, is returned to its initiator only.",
        )
        .path_parameter("id", "The transfer's id.", &json!({"$ref": "#/components/schemas/TransferId"}))
        .authenticated()
        .response::<TransferBody<'_>>(200, "The transfer.", &transfer)
        .problems(&[&problems::TRANSFER_NOT_FOUND])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, request};

    #[tokio::test]
    async fn unknown_or_invalid_id_is_not_found() {
        let app = TestApp::new().await;
        let ada = app.user().await;
        for id in ["0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "x", "", "..%2f"] {
            let parameters = HashMap::from([("id".to_owned(), id.to_owned())]);
            let request = request(&json!({})).with_path_parameters(parameters);
            let problem = handle(&app.store, ada.principal(), request).await.unwrap_err();
            assert_eq!((problem.problem_type.status, problem.problem_type.code), (404, "transfer_not_found"), "{id}");
        }
    }
}
