//! `PATCH /payments/accounts/{id}`: changes the settings of one of the user's accounts.

use auth::Principal;
use http_api::{Problem, Request, Response, json_body};
use lambda_http::RequestExt;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::dto::{AccountBody, Count};
use super::{WALLET, examples, problems};
use crate::app::PaymentError;
use crate::app::set_write_shards::set_write_shards;
use crate::domain::{FailureReason, Party, PaymentAccountId, TokenClaims, WriteShards};
pub use crate::store::Store as State;

/// The settings to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AccountUpdate)]
pub(super) struct Body {
    /// The number of write shards that receive credits, 0 for none. DEBIT accounts only.
    #[serde(rename = "intakeShards")]
    #[schema(value_type = i64, minimum = 0, maximum = 16)]
    write_shards: Count,
}

/// # Errors
///
/// A [`Problem`] if the request is invalid, or the user has no such account.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let id = path_id(&request).map_err(|error| problems::problem_without_fields(&error))?;
    let Body { write_shards } = json_body(&request)?;
    let shards = WriteShards::or_none(write_shards.0).map_err(|error| Problem::field("intakeShards", error))?;
    let claims = TokenClaims::from(&principal);
    let account = set_write_shards(state, principal.user_id, &claims, &id, shards).await;
    let account = account.map_err(|error| match error {
        PaymentError::Rejected { reason: FailureReason::AccountFrozen(_), .. } => {
            Problem::new(&problems::ACCOUNT_FROZEN, "The account is frozen.")
        }
        error => problems::problem_without_fields(&error),
    })?;
    Response::json(StatusCode::OK, &AccountBody::from(&account))
}

fn path_id(request: &Request) -> Result<PaymentAccountId, PaymentError> {
    let parameters = request.path_parameters_ref();
    let id = parameters.and_then(|parameters| parameters.first("id")).unwrap_or_default();
    PaymentAccountId::parse(id).map_err(|_| FailureReason::AccountNotFound(Party::Payer).into())
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("patch", "/payments/accounts/{id}", WALLET, "updateAccount", "Update a payment account")
        .description(
            "Sets the number of write shards of a DEBIT account, which let it receive concurrent transfers. A lower number \
             means that fewer shards receive transfers; the balance of the others remains part of the account's. Shards are \
             never deleted: an account that has had some is listed with one more read. Repeating the request changes nothing.",
        )
        .path_parameter("id", "The account's id.", &json!({"$ref": "#/components/schemas/PaymentAccountId"}))
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .request_body::<Body>(&[("eight shards", json!({"intakeShards": 8})), ("no shards", json!({"intakeShards": 0}))])
        .response::<AccountBody<'_>>(200, "The updated account.", &examples::account())
        .problems(&[
            &problems::ACCOUNT_NOT_FOUND,
            &problems::ACCOUNT_FROZEN,
            &problems::WRONG_ACCOUNT_TYPE,
            &problems::CONTENTION,
        ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use kernel::MAX_AMOUNT_MINOR;
    use serde_json::Value;

    use super::*;
    use crate::domain::NewAccount;
    use crate::testing::{TestApp, TestUser, amount, body_of, pointers, request};

    struct Scene {
        app: TestApp,
        ada: TestUser,
    }

    impl Scene {
        /// Ada has a DEBIT account `main`.
        async fn new() -> Self {
            let app = TestApp::new().await;
            let ada = app.user().await;
            app.open_debit(ada, "main", 70).await;
            app.engine.round_trips();
            Self { app, ada }
        }

        async fn update(&self, by: TestUser, id: &str, body: &Value) -> Result<Response, Problem> {
            let parameters = HashMap::from([("id".to_owned(), id.to_owned())]);
            handle(&self.app.store, by.principal(), request(body).with_path_parameters(parameters)).await
        }

        async fn set(&self, shards: u8) -> Value {
            body_of(&self.update(self.ada, "main", &json!({"intakeShards": shards})).await.unwrap())
        }

        async fn code(&self, by: TestUser, id: &str) -> &'static str {
            self.update(by, id, &json!({"intakeShards": 8})).await.unwrap_err().problem_type.code
        }
    }

    #[tokio::test]
    async fn shards_of_an_account_are_turned_on_and_off() {
        let scene = Scene::new().await;
        let account = scene.set(8).await;
        assert_eq!((&account["intakeShards"], &account["balance"]), (&json!(8), &json!(70)));
        assert_eq!(scene.app.engine.round_trips(), ["Query", "TransactWriteItems"]);
        assert_eq!(scene.set(8).await, account);
        assert_eq!(scene.app.engine.round_trips(), ["Query"]);
        assert_eq!(scene.set(0).await.get("intakeShards"), None);
        assert_eq!(scene.app.accounts_of(scene.ada.id).await[0].write_shards, None);
    }

    #[tokio::test]
    async fn account_id_is_accepted_in_any_case() {
        let scene = Scene::new().await;
        let response = scene.update(scene.ada, "MAIN", &json!({"intakeShards": 2})).await.unwrap();
        assert_eq!(body_of(&response)["id"], json!("main"));
    }

    #[tokio::test]
    async fn invalid_number_of_shards_is_reported() {
        let scene = Scene::new().await;
        for body in [json!({"intakeShards": 17}), json!({"intakeShards": -1}), json!({"intakeShards": 1.5})] {
            let problem = scene.update(scene.ada, "main", &body).await.unwrap_err();
            assert_eq!(pointers(&problem), ["/intakeShards"], "{body}");
        }
        assert!(scene.update(scene.ada, "main", &json!({})).await.is_err());
        assert!(scene.app.engine.round_trips().is_empty());
    }

    #[tokio::test]
    async fn account_of_another_user_is_not_found() {
        let scene = Scene::new().await;
        let bob = scene.app.user().await;
        for id in ["main", "unknown", "a b", ""] {
            assert_eq!(scene.code(bob, id).await, "account_not_found", "{id}");
        }
    }

    #[tokio::test]
    async fn only_active_debit_accounts_have_shards() {
        let scene = Scene::new().await;
        let limit = amount(MAX_AMOUNT_MINOR);
        scene.app.open(scene.ada, "card", NewAccount::Credit { limit }).await.unwrap();
        assert_eq!(scene.code(scene.ada, "card").await, "wrong_account_type");
        scene.app.freeze("main").await;
        assert_eq!(scene.code(scene.ada, "main").await, "account_frozen");
    }

    #[tokio::test]
    async fn revoked_token_changes_no_shards() {
        let scene = Scene::new().await;
        scene.set(8).await;
        scene.app.end(scene.ada).await;
        for shards in [8, 4] {
            let problem = scene.update(scene.ada, "main", &json!({"intakeShards": shards})).await.unwrap_err();
            assert_eq!(problem.problem_type.code, "unauthenticated", "{shards}");
        }
        let other = scene.app.in_new_session(scene.ada);
        scene.update(other, "main", &json!({"intakeShards": 4})).await.unwrap();
    }
}
