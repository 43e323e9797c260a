//! `GET /payments/accounts` and its former path `GET /payments/account`: lists the user's accounts.

use auth::Principal;
use http_api::{Problem, Request, Response};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde_json::json;

use super::dto::AccountBody;
use super::{WALLET, examples};
use crate::app::list_accounts::list_accounts;
use crate::domain::TokenClaims;
pub use crate::store::Store as State;

/// # Errors
///
/// A [`Problem`] if the store is unavailable.
pub async fn handle(state: &State, principal: Principal, _request: Request) -> Result<Response, Problem> {
    let accounts = list_accounts(state, principal.user_id, &TokenClaims::from(&principal)).await?;
    Response::json(StatusCode::OK, &accounts.iter().map(AccountBody::from).collect::<Vec<_>>())
}

pub(super) fn describe() -> Endpoint {
    operation("/payments/accounts", "listAccounts", "List payment accounts")
}

pub(super) fn describe_former_path() -> Endpoint {
    operation("/payments/account", "listAccountsByOlderName", "List payment accounts (deprecated path)")
}

fn operation(path: &'static str, id: &str, summary: &str) -> Endpoint {
    Endpoint::new("get", path, WALLET, id, summary).authenticated().list_response::<AccountBody<'_>>(
        200,
        "Your accounts, oldest first.",
        &json!([examples::account()]),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, body_of, request};

    #[tokio::test]
    async fn accounts_of_the_user_are_listed() {
        let app = TestApp::new().await;
        let (ada, bob) = (app.user().await, app.user().await);
        let now = app.clock.stop();
        app.open_debit(ada, "main", 0).await;
        app.open_debit(bob, "bob", 0).await;
        let response = handle(&app.store, ada.principal(), request(&json!({}))).await.unwrap();
        assert_eq!(
            body_of(&response),
            json!([{
                "id": "main", "paymentAccountId": "main", "paymentAccountType": "DEBIT", "currency": "USD",
                "userId": ada.id, "balance": 0, "available": 0, "status": "ACTIVE", "createdAt": now,
            }])
        );
    }
}
