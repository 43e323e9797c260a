//! `POST /payments/withdraw`: money from one's own account to the outside.

use auth::Principal;
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random};

use super::Poster;
use super::posting::{Ask, OneSided};
use super::problems::SideFields;
use crate::domain::Posting;
use crate::store::ledger::PostTransfer;

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: the request is wrong, or the account cannot give the money.
pub async fn handle<L: PostTransfer, C: Clock, R: Random>(
    poster: &Poster<L, C, R>,
    principal: Principal,
    request: &Request,
) -> Result<Response, Problem> {
    let body: OneSided = json_body(request)?;
    let (from, amount, currency) = body.read()?;
    let ask = Ask {
        route: "withdraw",
        body: &body,
        posting: Posting::Withdrawal { from },
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

    use super::super::testing::{FakeLedger, ada, body_of, named, poster, request};
    use super::*;
    use crate::store::StoreError;
    use crate::store::ledger::PostError;

    #[tokio::test]
    async fn money_goes_to_the_outside() {
        let poster = poster(FakeLedger::default());
        let request = request(&json!({"paymentAccountId": "ada", "amount": 5}));
        let answered = body_of(&handle(&poster, ada(), &request).await.unwrap());
        assert_eq!(
            (&answered["type"], &answered["fromPaymentAccountId"], &answered["toPaymentAccountId"]),
            (&json!("WITHDRAWAL"), &json!("ada"), &json!(null))
        );
    }

    #[tokio::test]
    async fn a_lost_answer_may_be_asked_for_again_only_under_a_key() {
        let body = json!({"paymentAccountId": "ada", "amount": 5});
        for (request, code, retryable) in
            [(request(&body), "outcome_unknown", false), (named(&body, "k"), "unavailable", true)]
        {
            let ledger = FakeLedger::default();
            *ledger.error.lock().unwrap() = Some(StoreError::Unavailable("timeout".to_owned()).into());
            let problem = handle(&poster(ledger), ada(), &request).await.unwrap_err();
            assert_eq!((problem.problem_type.code, problem.problem_type.retryable), (code, retryable));
            assert!(problem.cause().is_some_and(|cause| cause.contains("timeout")));
        }
    }

    #[tokio::test]
    async fn a_revoked_token_and_contention_are_told_apart() {
        for (error, status) in [(PostError::Revoked, 401), (PostError::Contention, 503), (PostError::KeyReused, 422)] {
            let ledger = FakeLedger::default();
            *ledger.error.lock().unwrap() = Some(error);
            let request = request(&json!({"paymentAccountId": "ada", "amount": 5}));
            let problem = handle(&poster(ledger), ada(), &request).await.unwrap_err();
            assert_eq!(problem.problem_type.status, status);
            let retry_after = problem.headers.iter().any(|(name, _)| *name == "retry-after");
            assert_eq!(retry_after, status == 503);
        }
    }
}
