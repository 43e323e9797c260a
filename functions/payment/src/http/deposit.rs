//! `POST /payments/deposit`: money from the outside into one's own account.

use auth::Principal;
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random};

use super::posting::{Ask, OneSided};
use super::problems::SideFields;
use super::{Poster, SelfDeposit};
use crate::domain::Posting;
use crate::store::ledger::PostTransfer;

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: the request is wrong, deposits are closed, or the account cannot take the money.
pub async fn handle<L: PostTransfer, C: Clock, R: Random>(
    poster: &Poster<L, C, R>,
    self_deposit: SelfDeposit,
    principal: Principal,
    request: &Request,
) -> Result<Response, Problem> {
    self_deposit.check()?;
    let body: OneSided = json_body(request)?;
    let (to, amount, currency) = body.read()?;
    let ask = Ask {
        route: "deposit",
        body: &body,
        posting: Posting::Deposit { to },
        amount,
        currency,
        note: None,
        fields: SideFields { from: "paymentAccountId", to: "paymentAccountId" },
    };
    poster.post(principal, request, ask).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{FakeLedger, ada, body_of, poster, request};
    use super::*;

    #[tokio::test]
    async fn money_comes_from_the_outside() {
        let body = json!({"paymentAccountId": "ada", "amount": 5, "currency": "EUR"});
        let poster = poster(FakeLedger::default());
        let answer = handle(&poster, SelfDeposit::Enabled, ada(), &request(&body)).await.unwrap();
        let answered = body_of(&answer);
        assert_eq!(
            (
                &answered["type"],
                &answered["fromPaymentAccountId"],
                &answered["toPaymentAccountId"],
                &answered["currency"]
            ),
            (&json!("DEPOSIT"), &json!(null), &json!("ada"), &json!("EUR"))
        );
    }

    #[tokio::test]
    async fn where_deposits_are_closed_none_is_posted() {
        let poster = poster(FakeLedger::default());
        let request = request(&json!({"paymentAccountId": "ada", "amount": 5}));
        let problem = handle(&poster, SelfDeposit::Disabled, ada(), &request).await.unwrap_err();
        assert_eq!((problem.problem_type.status, problem.problem_type.code), (403, "self_deposit_disabled"));
        assert!(poster.ledger.orders.lock().unwrap().is_empty());
    }
}
