//! `POST /payments/send`: money from one's own account to anyone's.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use kernel::{Amount, Clock, Currency, Random};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Poster;
use super::posting::Ask;
use super::problems::{self, SideFields};
use super::wire::MinorUnits;
use crate::domain::{Note, PaymentAccountId, Posting, TransferType};
use crate::store::ledger::PostTransfer;

/// Money from one's own account to anyone's.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Send)]
pub(super) struct Body {
    /// An account of yours.
    #[schema(value_type = PaymentAccountId)]
    from_payment_account_id: String,
    /// Anyone's account.
    #[schema(value_type = PaymentAccountId)]
    to_payment_account_id: String,
    #[schema(value_type = Amount)]
    amount: MinorUnits,
    /// That of both accounts; where it is left out, the deployment's default.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    /// A word to the payee.
    #[schema(value_type = Option<Note>)]
    note: Option<String>,
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: the request is wrong, or one of the accounts does not allow it.
pub async fn handle<L: PostTransfer, C: Clock, R: Random>(
    poster: &Poster<L, C, R>,
    principal: Principal,
    request: &Request,
) -> Result<Response, Problem> {
    let body: Body = json_body(request)?;
    let mut fields = FieldErrors::default();
    let from = fields.read("fromPaymentAccountId", PaymentAccountId::parse(&body.from_payment_account_id));
    let to = fields.read("toPaymentAccountId", PaymentAccountId::parse(&body.to_payment_account_id));
    let amount = fields.read("amount", Amount::from_minor(body.amount.0));
    let currency = fields.read_optional("currency", body.currency.as_deref().map(Currency::parse));
    let note = fields.read_optional("note", body.note.as_deref().map(Note::parse));
    let (Some(from), Some(to), Some(amount), Some(currency), Some(note)) = (from, to, amount, currency, note) else {
        return Err(fields.problem());
    };
    if from == to {
        return Err(problems::same_account("toPaymentAccountId"));
    }
    let ask = Ask {
        route: "send",
        body: &body,
        posting: Posting::Between { from, to, kind: TransferType::Send },
        amount,
        currency,
        note,
        fields: SideFields { from: "fromPaymentAccountId", to: "toPaymentAccountId" },
    };
    poster.post(principal, request, ask).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{FakeLedger, ada, body_of, named, pointers, poster, request};
    use super::*;
    use crate::domain::{Party, Refusal};
    use crate::store::ledger::PostError;

    fn wish() -> Value {
        json!({"fromPaymentAccountId": "ada", "toPaymentAccountId": "bob", "amount": 1050})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut wish = wish();
        wish[field] = value;
        wish
    }

    async fn refused(body: &Value) -> Problem {
        let poster = poster(FakeLedger::default());
        let problem = handle(&poster, ada(), &request(body)).await.unwrap_err();
        assert!(poster.ledger.orders.lock().unwrap().is_empty(), "nothing was posted");
        problem
    }

    #[tokio::test]
    async fn a_transfer_is_posted_and_answered() {
        let poster = poster(FakeLedger::default());
        let answer = handle(&poster, ada(), &request(&with("note", json!("for lunch")))).await.unwrap();
        assert_eq!(answer.status, 201);
        let orders = poster.ledger.orders.lock().unwrap();
        let id = orders[0].transfer.id.to_string();
        assert_eq!(
            body_of(&answer),
            json!({
                "id": id, "type": "SEND", "status": "COMPLETED", "fromPaymentAccountId": "ada",
                "toPaymentAccountId": "bob", "amount": 1050, "currency": "USD", "note": "for lunch",
                "createdAt": "2026-01-31T12:00:00.000Z",
            })
        );
        assert_eq!(orders[0].transfer.initiated_by, ada().user_id);
        assert_eq!(orders[0].fingerprint, None);
    }

    #[tokio::test]
    async fn a_key_stands_for_the_request_however_its_json_is_written() {
        let poster = poster(FakeLedger { replayed: true, ..FakeLedger::default() });
        let answer = handle(&poster, ada(), &named(&wish(), "k")).await.unwrap();
        assert!(answer.headers.contains(&("idempotent-replayed", "true".to_owned())));
        let shuffled = json!({"amount": 1050, "toPaymentAccountId": "bob", "fromPaymentAccountId": "ada"});
        handle(&poster, ada(), &named(&shuffled, "\"k\"")).await.unwrap();
        handle(&poster, ada(), &named(&with("amount", json!(1051)), "k")).await.unwrap();
        let orders = poster.ledger.orders.lock().unwrap();
        assert_eq!(orders[0].transfer.id, orders[1].transfer.id);
        assert_eq!(orders[0].fingerprint, orders[1].fingerprint);
        assert_eq!(orders[0].transfer.id, orders[2].transfer.id);
        assert_ne!(orders[0].fingerprint, orders[2].fingerprint);
    }

    #[tokio::test]
    async fn an_amount_is_a_positive_integer_that_every_json_reader_keeps() {
        for amount in [
            json!(0),
            json!(-1),
            json!(10.5),
            json!(1.0),
            json!(9_007_199_254_740_992_i64),
            json!(u64::MAX),
            json!(1e300),
            json!("1050"),
            json!(null),
            json!(true),
            json!([1]),
        ] {
            let problem = refused(&with("amount", amount.clone())).await;
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec!["/amount"]), "{amount}");
            assert!(problem.detail.contains("10.50 USD is 1050"), "it says what to send: {}", problem.detail);
        }
    }

    #[tokio::test]
    async fn everything_that_is_wrong_is_told_at_once() {
        let body = json!({
            "fromPaymentAccountId": "", "toPaymentAccountId": "external:USD", "amount": 0, "currency": "usd",
            "note": "n".repeat(141),
        });
        let problem = refused(&body).await;
        let expected = ["/fromPaymentAccountId", "/toPaymentAccountId", "/amount", "/currency", "/note"];
        assert_eq!(pointers(&problem), expected);
    }

    #[tokio::test]
    async fn both_sides_may_not_be_the_same_account() {
        assert_eq!(refused(&with("toPaymentAccountId", json!("ada"))).await.problem_type.code, "same_account");
    }

    #[tokio::test]
    async fn a_refusal_points_at_the_side_it_is_about() {
        for (refusal, pointer) in [
            (Refusal::InsufficientFunds, "/fromPaymentAccountId"),
            (Refusal::AccountFrozen(Party::Payee), "/toPaymentAccountId"),
        ] {
            let ledger = FakeLedger::default();
            *ledger.error.lock().unwrap() = Some(PostError::Refused { refusal, replayed: false });
            let problem = handle(&poster(ledger), ada(), &request(&wish())).await.unwrap_err();
            assert_eq!((problem.problem_type.code, pointers(&problem)), (refusal.code(), vec![pointer]));
        }
    }
}
