//! `POST /payments/deposit`: deposits money from an external account into one of the user's accounts.

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{Problem, Request, Response, json_body};
use openapi::Endpoint;
use serde_json::json;

use super::dto::TransferBody;
use super::transfers::{AccountAmount, TransferState, creation};
use super::{WALLET, examples, problems};
use crate::app::config::SelfDeposit;
use crate::app::post_transfer::TransferParams;
use crate::domain::Posting;
use crate::store::Store;

#[derive(Debug, Clone)]
pub struct State {
    transfers: TransferState,
    self_deposit: SelfDeposit,
}

impl State {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or invalid.
    pub fn from_env(env: &Env, store: Store) -> Result<Self, ConfigError> {
        Ok(Self { transfers: TransferState::from_env(env, store)?, self_deposit: env.parsed("SELF_DEPOSIT")? })
    }
}

/// # Errors
///
/// A [`Problem`] if the request is invalid, deposits are disabled, or the account can't receive the money.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    state.self_deposit.check()?;
    let mut body: AccountAmount = json_body(&request)?;
    let (to, amount, currency) = body.parse(state.transfers.default_currency)?;
    body.normalize(state.transfers.default_currency);
    let params = TransferParams { posting: Posting::Deposit { to }, amount, currency, note: None };
    state.transfers.respond(&principal, &request, "deposit", &body, params, problems::PAYMENT_ACCOUNT).await
}

pub(super) fn describe() -> Endpoint {
    creation(Endpoint::new("post", "/payments/deposit", WALLET, "deposit", "Deposit money"))
        .description(
            "Deposits money from an external account into one of your accounts. Available only if the deployment enables \
             self-service deposits; otherwise accounts are funded by collections.",
        )
        .request_body::<AccountAmount>(&[("deposit", json!({"paymentAccountId": "ada-main", "amount": 10_000}))])
        .response::<TransferBody<'_>>(201, "The transfer.", &examples::transfer("DEPOSIT", None, Some("ada-main")))
        .problems(problems::ACCOUNT_PROBLEMS)
        .problems(&[&problems::SELF_DEPOSIT_DISABLED, &problems::HEADROOM_EXCEEDED])
}

#[cfg(test)]
mod tests {
    use kernel::Currency;
    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, body_of, request, usd};

    fn state(app: &TestApp, self_deposit: SelfDeposit) -> State {
        State { transfers: TransferState { store: app.store.clone(), default_currency: usd() }, self_deposit }
    }

    #[tokio::test]
    async fn deposit_credits_the_account_in_its_currency() {
        let app = TestApp::new().await;
        let ada = app.user().await;
        app.open_debit(ada, "ada", 0).await;
        app.set(crate::testing::account_key("ada"), "currency", dynamo::text(Currency::parse("EUR").unwrap())).await;
        let body = json!({"paymentAccountId": "ada", "amount": 5, "currency": "EUR"});
        let response = handle(&state(&app, SelfDeposit::Enabled), ada.principal(), request(&body)).await.unwrap();
        let body = body_of(&response);
        assert_eq!(
            (&body["type"], &body["fromPaymentAccountId"], &body["toPaymentAccountId"], &body["currency"]),
            (&json!("DEPOSIT"), &json!(null), &json!("ada"), &json!("EUR"))
        );
        assert_eq!(app.balance(ada, "ada").await, 5);
    }

    #[tokio::test]
    async fn deposit_is_rejected_if_self_deposit_is_disabled() {
        let app = TestApp::new().await;
        let ada = app.user().await;
        app.engine.round_trips();
        let request = request(&json!({"paymentAccountId": "ada", "amount": 5}));
        let problem = handle(&state(&app, SelfDeposit::Disabled), ada.principal(), request).await.unwrap_err();
        assert_eq!((problem.problem_type.status, problem.problem_type.code), (403, "self_deposit_disabled"));
        assert!(app.engine.round_trips().is_empty(), "nothing was posted");
    }
}
