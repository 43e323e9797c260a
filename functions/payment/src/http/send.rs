//! `POST /payments/send`: sends money from one of the user's accounts to any account.

use auth::Principal;
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use kernel::{Amount, Currency};
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::dto::{MinorUnits, TransferBody};
use super::idempotency::omit_default;
use super::problems::{self, PartyFields};
pub use super::transfers::TransferState as State;
use super::transfers::creation;
use super::{WALLET, examples};
use crate::app::PaymentError;
use crate::app::post_transfer::TransferParams;
use crate::domain::{Note, PaymentAccountId, Posting, TransferType};

const FIELDS: PartyFields = PartyFields { from: "fromPaymentAccountId", to: "toPaymentAccountId" };

/// A transfer from one of your accounts to any account.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Send)]
pub(super) struct Body {
    /// One of your accounts.
    #[schema(value_type = PaymentAccountId)]
    from_payment_account_id: String,
    /// Any account.
    #[schema(value_type = PaymentAccountId)]
    to_payment_account_id: String,
    #[schema(value_type = Amount)]
    amount: MinorUnits,
    /// The currency of both accounts. The default is the deployment's currency.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    /// A memo for the payee.
    #[schema(value_type = Option<Note>)]
    note: Option<String>,
}

/// # Errors
///
/// A [`Problem`] if the request is invalid, or one of the accounts doesn't admit the transfer.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let mut body: Body = json_body(&request)?;
    let params = parse(&body, state.default_currency)?;
    body.from_payment_account_id.make_ascii_lowercase();
    body.to_payment_account_id.make_ascii_lowercase();
    omit_default(&mut body.currency, state.default_currency);
    state.respond(&principal, &request, "send", &body, params, FIELDS).await
}

fn parse(body: &Body, default_currency: Currency) -> Result<TransferParams, Problem> {
    let mut fields = FieldErrors::default();
    let from = fields.read(FIELDS.from, PaymentAccountId::parse(&body.from_payment_account_id));
    let to = fields.read(FIELDS.to, PaymentAccountId::parse(&body.to_payment_account_id));
    let amount = fields.read("amount", Amount::from_minor(body.amount.0));
    let currency = fields.read_optional("currency", body.currency.as_deref().map(Currency::parse));
    let note = fields.read_optional("note", body.note.as_deref().map(Note::parse));
    let (Some(from), Some(to), Some(amount), Some(currency), Some(note)) = (from, to, amount, currency, note) else {
        return Err(fields.problem());
    };
    if from == to {
        return Err(problems::problem(&PaymentError::SameAccount, FIELDS));
    }
    let posting = Posting::Internal { from, to, kind: TransferType::Send };
    Ok(TransferParams { posting, amount, currency: currency.unwrap_or(default_currency), note })
}

pub(super) fn describe() -> Endpoint {
    let dinner = json!({
        "fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main", "amount": 2_550, "note": "Dinner"
    });
    let transfer = examples::transfer("SEND", Some("ada-main"), Some("ben-main"));
    creation(Endpoint::new("post", "/payments/send", WALLET, "send", "Send money"))
        .description("Sends money from one of your accounts to any account in the same currency.")
        .request_body::<Body>(&[("dinner", dinner)])
        .response::<TransferBody<'_>>(201, "The transfer.", &transfer)
        .problems(problems::ACCOUNT_PROBLEMS)
        .problems(&[&problems::INSUFFICIENT_FUNDS, &problems::HEADROOM_EXCEEDED, &problems::SAME_ACCOUNT])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{TestApp, TestUser, body_of, keyed_request, pointers, request, usd};

    struct Scene {
        app: TestApp,
        state: State,
        ada: TestUser,
    }

    impl Scene {
        /// Ada has 2,000 in `ada`, Bob has nothing in `bob`.
        async fn new() -> Self {
            let app = TestApp::new().await;
            let (ada, bob) = (app.user().await, app.user().await);
            app.open_debit(ada, "ada", 2000).await;
            app.open_debit(bob, "bob", 0).await;
            let state = State { store: app.store.clone(), default_currency: usd() };
            app.engine.round_trips();
            Self { app, state, ada }
        }

        async fn send(&self, request: Request) -> Result<Response, Problem> {
            handle(&self.state, self.ada.principal(), request).await
        }

        /// The problem of a request that is rejected before anything is posted.
        async fn rejected(&self, body: &Value) -> Problem {
            let problem = self.send(request(body)).await.unwrap_err();
            assert!(self.app.engine.round_trips().is_empty(), "nothing was posted");
            problem
        }
    }

    fn valid_body() -> Value {
        json!({"fromPaymentAccountId": "ada", "toPaymentAccountId": "bob", "amount": 1050})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut body = valid_body();
        body[field] = value;
        body
    }

    #[tokio::test]
    async fn key_with_equivalent_payload_is_replayed() {
        let scene = Scene::new().await;
        let body = json!({"fromPaymentAccountId": "ada", "toPaymentAccountId": "bob", "amount": 5});
        scene.send(keyed_request(&body, "k")).await.unwrap();
        for (field, value) in [("currency", "USD"), ("fromPaymentAccountId", "ADA"), ("toPaymentAccountId", "Bob")] {
            let mut same = body.clone();
            same[field] = json!(value);
            let response = scene.send(keyed_request(&same, "k")).await.unwrap();
            assert!(response.headers.contains(&("idempotent-replayed", "true".to_owned())), "{field}");
        }
        let mut other = body;
        other["currency"] = json!("EUR");
        let problem = scene.send(keyed_request(&other, "k")).await.unwrap_err();
        assert_eq!(problem.problem_type.code, "idempotency_key_reused");
    }

    #[tokio::test]
    async fn send_posts_a_transfer_and_returns_it() {
        let scene = Scene::new().await;
        let now = scene.app.clock.stop();
        let response = scene.send(request(&with("note", json!("for lunch")))).await.unwrap();
        assert_eq!(response.status, 201);
        let body = body_of(&response);
        let id = body["id"].as_str().unwrap();
        assert_eq!(
            body,
            json!({
                "id": id, "type": "SEND", "status": "COMPLETED", "fromPaymentAccountId": "ada",
                "toPaymentAccountId": "bob", "amount": 1050, "currency": "USD", "note": "for lunch",
                "createdAt": now,
            })
        );
        let stored = scene.app.item(dynamo::key(format_args!("TRANSFER#{id}"), "TRANSFER")).await.unwrap();
        assert_eq!(stored["initiatedBy"], dynamo::text(scene.ada.id));
        assert!(!stored.contains_key("fingerprint"));
        assert_eq!(scene.app.balance(scene.ada, "ada").await, 950);
    }

    #[tokio::test]
    async fn key_with_reformatted_payload_is_replayed() {
        let scene = Scene::new().await;
        let first = scene.send(keyed_request(&valid_body(), "k")).await.unwrap();
        let shuffled = json!({"amount": 1050, "toPaymentAccountId": "bob", "fromPaymentAccountId": "ada"});
        let replayed = scene.send(keyed_request(&shuffled, "\"k\"")).await.unwrap();
        assert!(!first.headers.contains(&("idempotent-replayed", "true".to_owned())));
        assert!(replayed.headers.contains(&("idempotent-replayed", "true".to_owned())));
        assert_eq!(body_of(&first), body_of(&replayed));
        let reused = scene.send(keyed_request(&with("amount", json!(1051)), "k")).await.unwrap_err();
        assert_eq!(reused.problem_type.code, "idempotency_key_reused");
        assert_eq!(scene.app.balance(scene.ada, "ada").await, 950);
    }

    #[tokio::test]
    async fn amount_that_is_not_a_positive_integer_is_rejected() {
        let scene = Scene::new().await;
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
            let problem = scene.rejected(&with("amount", amount.clone())).await;
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, vec!["/amount"]), "{amount}");
            assert!(problem.detail.contains("10.50 USD is 1050"), "it says what to send: {}", problem.detail);
        }
    }

    #[tokio::test]
    async fn every_invalid_field_is_reported() {
        let body = json!({
            "fromPaymentAccountId": "", "toPaymentAccountId": "external:USD", "amount": 0, "currency": "usd",
            "note": "n".repeat(141),
        });
        let problem = Scene::new().await.rejected(&body).await;
        let expected = ["/fromPaymentAccountId", "/toPaymentAccountId", "/amount", "/currency", "/note"];
        assert_eq!(pointers(&problem), expected);
    }

    #[tokio::test]
    async fn send_to_the_same_account_is_rejected() {
        let problem = Scene::new().await.rejected(&with("toPaymentAccountId", json!("ada"))).await;
        assert_eq!(problem.problem_type.code, "same_account");
    }

    #[tokio::test]
    async fn failed_send_points_at_the_offending_account() {
        let scene = Scene::new().await;
        for (freeze, amount, code, pointer) in [
            (false, 2001, "insufficient_funds", "/fromPaymentAccountId"),
            (true, 1, "account_frozen", "/toPaymentAccountId"),
        ] {
            if freeze {
                scene.app.freeze("bob").await;
            }
            let problem = scene.send(request(&with("amount", json!(amount)))).await.unwrap_err();
            assert_eq!((problem.problem_type.code, pointers(&problem)), (code, vec![pointer]));
        }
    }
}
