//! `POST /payments/withdraw`: withdraws money from one of the user's accounts to an external account.

use auth::Principal;
use http_api::{Problem, Request, Response, json_body};
use openapi::Endpoint;
use serde_json::json;

use super::dto::TransferBody;
pub use super::transfers::TransferState as State;
use super::transfers::{AccountAmount, creation};
use super::{WALLET, examples, problems};
use crate::app::post_transfer::TransferParams;
use crate::domain::Posting;

/// # Errors
///
/// A [`Problem`] if the request is invalid, or the account can't be debited.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let mut body: AccountAmount = json_body(&request)?;
    let (from, amount, currency) = body.parse(state.default_currency)?;
    body.normalize(state.default_currency);
    let params = TransferParams { posting: Posting::Withdrawal { from }, amount, currency, note: None };
    state.respond(&principal, &request, "withdraw", &body, params, problems::PAYMENT_ACCOUNT).await
}

pub(super) fn describe() -> Endpoint {
    let body = json!({"paymentAccountId": "ada-main", "amount": 550, "currency": "USD"});
    creation(Endpoint::new("post", "/payments/withdraw", WALLET, "withdraw", "Withdraw money"))
        .description("Withdraws money from one of your accounts to an external account.")
        .request_body::<AccountAmount>(&[("withdrawal", body)])
        .response::<TransferBody<'_>>(201, "The transfer.", &examples::transfer("WITHDRAWAL", Some("ada-main"), None))
        .problems(problems::ACCOUNT_PROBLEMS)
        .problems(&[&problems::INSUFFICIENT_FUNDS])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, TestUser, body_of, keyed_request, request, usd};

    async fn app() -> (TestApp, TestUser, State) {
        let app = TestApp::new().await;
        let ada = app.user().await;
        app.open_debit(ada, "ada", 100).await;
        let state = State { store: app.store.clone(), default_currency: usd() };
        (app, ada, state)
    }

    #[tokio::test]
    async fn withdrawal_debits_the_account() {
        let (app, ada, state) = app().await;
        let request = request(&json!({"paymentAccountId": "ada", "amount": 5}));
        let body = body_of(&handle(&state, ada.principal(), request).await.unwrap());
        assert_eq!(
            (&body["type"], &body["fromPaymentAccountId"], &body["toPaymentAccountId"]),
            (&json!("WITHDRAWAL"), &json!("ada"), &json!(null))
        );
        assert_eq!(app.balance(ada, "ada").await, 95);
    }

    #[tokio::test]
    async fn lost_response_is_retryable_only_with_a_key() {
        let (app, ada, state) = app().await;
        let body = json!({"paymentAccountId": "ada", "amount": 5});
        for (request, code, retryable) in
            [(request(&body), "outcome_unknown", false), (keyed_request(&body, "k"), "unavailable", true)]
        {
            app.engine.reject("TransactWriteItems", 1, "ServiceUnavailable");
            let problem = handle(&state, ada.principal(), request).await.unwrap_err();
            assert_eq!((problem.problem_type.code, problem.problem_type.retryable), (code, retryable));
            assert!(problem.cause().is_some_and(|cause| cause.contains("ServiceUnavailable")));
        }
    }

    #[tokio::test]
    async fn only_contention_has_a_retry_after() {
        let (app, ada, state) = app().await;
        let withdrawal = |amount: i64| json!({"paymentAccountId": "ada", "amount": amount});
        handle(&state, ada.principal(), keyed_request(&withdrawal(1), "k")).await.unwrap();
        let newer = ada.with_epoch(1);
        app.replicate(ada.id, 1, 2).await;
        for (user, request, conflicts, status) in [
            (ada, request(&withdrawal(5)), 0, 401),
            (newer, request(&withdrawal(5)), usize::MAX, 503),
            (newer, keyed_request(&withdrawal(5), "k"), 0, 422),
        ] {
            app.engine.raise_transaction_conflicts(conflicts, 1, 2);
            let outcome = handle(&state, user.principal(), request);
            let time = deadline::RESPONSE_RESERVE + Duration::from_secs(1);
            let outcome = deadline::with_time_left(time, Box::pin(outcome)).await;
            let problem = outcome.unwrap_err();
            assert_eq!(problem.problem_type.status, status);
            let retry_after = problem.headers.iter().any(|(name, _)| *name == "retry-after");
            assert_eq!(retry_after, status == 503);
        }
    }
}
