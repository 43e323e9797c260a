//! `POST /payments/withdraw`: money from one's own account to the outside.

use auth::Principal;
use kernel::{Amount, Clock, Currency, Random};
use runtime::http::{Answer, Fields, Problem, Request, json_body};
use serde::{Deserialize, Serialize};

use super::Poster;
use super::posting::Ask;
use super::problems::SideFields;
use super::wire::MinorUnits;
use crate::domain::{PaymentAccountId, Posting};
use crate::store::ledger::PostTransfer;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    payment_account_id: String,
    amount: MinorUnits,
    currency: Option<String>,
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: the request is wrong, or the account cannot give the money.
pub async fn handle<L: PostTransfer, C: Clock, R: Random>(
    poster: &Poster<L, C, R>,
    principal: Principal,
    request: &Request,
) -> Result<Answer, Problem> {
    let body: Body = json_body(request)?;
    let mut fields = Fields::default();
    let from = fields.read("paymentAccountId", PaymentAccountId::parse(&body.payment_account_id));
    let amount = fields.read("amount", Amount::from_minor(body.amount.0));
    let currency = fields.read_optional("currency", body.currency.as_deref().map(Currency::parse));
    let (Some(from), Some(amount), Some(currency)) = (from, amount, currency) else { return Err(fields.problem()) };
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

    use super::super::testing::{FakeLedger, ada, body_of, poster, request};
    use super::*;
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
    async fn a_revoked_token_and_contention_are_told_apart() {
        for (error, status) in [(PostError::Revoked, 401), (PostError::Contention, 503), (PostError::KeyReused, 422)] {
            let ledger = FakeLedger::default();
            *ledger.error.lock().unwrap() = Some(error);
            let request = request(&json!({"paymentAccountId": "ada", "amount": 5}));
            let problem = handle(&poster(ledger), ada(), &request).await.unwrap_err();
            assert_eq!(problem.kind.status, status);
            let retry_after = problem.headers.iter().any(|(name, _)| *name == "retry-after");
            assert_eq!(retry_after, status == 503);
        }
    }
}
