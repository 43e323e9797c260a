//! `POST /api/payments`: creates a payment, which a provider collects from a customer.

use auth::Principal;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use kernel::{Amount, Currency};
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::dto::{MinorUnits, PaymentBody};
use super::idempotency::{created, operation_context};
use super::transfers::creation;
use super::{PAYMENTS, examples, problems};
use crate::app::create_payment::{NewPaymentParams, create_payment};
use crate::domain::{PaymentAccountId, PaymentMethod};
use crate::store::Store;

/// A new payment.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreatePayment)]
pub(super) struct Body {
    #[schema(value_type = Amount)]
    amount: MinorUnits,
    #[schema(value_type = Currency)]
    currency: String,
    payment_method: PaymentMethod,
    /// The customer's phone number, in any international format.
    #[schema(example = "+250 788 123 456")]
    customer_phone: String,
    #[schema(value_type = Email)]
    customer_email: String,
    /// Your DEBIT or CREDIT account in this currency that is credited when the payment succeeds.
    #[schema(value_type = Option<PaymentAccountId>)]
    payment_account_id: Option<String>,
}

#[derive(Debug, Clone)]
pub struct State {
    store: Store,
    provider_name: String,
}

impl State {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, store: Store) -> Result<Self, ConfigError> {
        Ok(Self { store, provider_name: env.required("PROVIDER_NAME")?.to_owned() })
    }
}

/// # Errors
///
/// A [`Problem`] if the request is invalid, or its account can't be credited.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let mut body: Body = json_body(&request)?;
    let params = parse(&body)?;
    if let Some(id) = &mut body.payment_account_id {
        id.make_ascii_lowercase();
    }
    let context = operation_context(&state.store, &principal, &request, "create-payment", &body)?;
    let keyed = context.request.fingerprint.is_some();
    let payment = create_payment(&state.store, context, params, &state.provider_name).await;
    let payment = payment.map_err(|error| problems::creation_problem(&error, problems::PAYMENT_ACCOUNT, keyed))?;
    created(&PaymentBody::from(&payment.value), payment.replayed)
}

fn parse(body: &Body) -> Result<NewPaymentParams, Problem> {
    let mut fields = FieldErrors::default();
    let amount = fields.read("amount", Amount::from_minor(body.amount.0));
    let currency = fields.read("currency", Currency::parse(&body.currency));
    let customer_phone = fields.read("customerPhone", Phone::parse(&body.customer_phone));
    let customer_email = fields.read("customerEmail", Email::parse(&body.customer_email));
    let account = body.payment_account_id.as_deref().map(PaymentAccountId::parse);
    let account = fields.read_optional("paymentAccountId", account);
    let (Some(amount), Some(currency), Some(customer_phone), Some(customer_email), Some(payment_account_id)) =
        (amount, currency, customer_phone, customer_email, account)
    else {
        return Err(fields.problem());
    };
    let method = body.payment_method;
    Ok(NewPaymentParams { amount, currency, method, customer_phone, customer_email, payment_account_id })
}

pub(super) fn describe() -> Endpoint {
    let collection = json!({
        "amount": 5_000,
        "currency": "RWF",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com",
    });
    creation(Endpoint::new("post", "/api/payments", PAYMENTS, "createPayment", "Create a payment"))
        .description(
            "Creates a payment that a provider collects from a customer. Its status is INITIATED. Change it to PENDING to hand \
             the payment to the provider.",
        )
        .request_body::<Body>(&[("collection", collection)])
        .response::<PaymentBody<'_>>(201, "The payment.", &examples::payment())
        .problems(problems::COLLECTION_PROBLEMS)
        .problems(&[&problems::CURRENCY_MISMATCH, &problems::WRONG_ACCOUNT_TYPE])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::PaymentReference;
    use crate::testing::{TestApp, TestUser, body_of, keyed_request, pointers, request};

    async fn app() -> (TestApp, TestUser, State) {
        let app = TestApp::new().await;
        let ada = app.user().await;
        let state = State { store: app.store.clone(), provider_name: "momo".to_owned() };
        (app, ada, state)
    }

    fn valid_body() -> Value {
        json!({
            "amount": 2500, "currency": "RWF", "paymentMethod": "MOBILE_MONEY",
            "customerPhone": "+250 788 123 456", "customerEmail": "Cus@Example.com",
        })
    }

    #[tokio::test]
    async fn payment_is_initiated_with_a_normalized_customer() {
        let (app, ada, state) = app().await;
        let now = app.clock.stop();
        let response = handle(&state, ada.principal(), request(&valid_body())).await.unwrap();
        assert_eq!(response.status, 201);
        let body = body_of(&response);
        assert!(PaymentReference::parse(body["reference"].as_str().unwrap()).is_ok());
        assert_eq!(
            (&body["status"], &body["customerPhone"], &body["customerEmail"], &body["providerName"]),
            (&json!("INITIATED"), &json!("+250788123456"), &json!("cus@example.com"), &json!("momo"))
        );
        assert_eq!(body["history"], json!([{"status": "INITIATED", "at": now, "by": "OWNER"}]));
        assert_eq!((&body["paymentAccountId"], &body["providerTransactionId"]), (&Value::Null, &Value::Null));
    }

    #[tokio::test]
    async fn revoked_token_cannot_name_an_account() {
        let (app, ada, state) = app().await;
        app.open_debit(ada, "main", 0).await;
        app.replicate(ada.id, 1, 2).await;
        let mut body = valid_body();
        body["paymentAccountId"] = json!("main");
        let problem = handle(&state, ada.principal(), request(&body)).await.unwrap_err();
        assert_eq!(problem.problem_type.status, 401);
    }

    #[tokio::test]
    async fn key_identifies_one_payment() {
        let (app, ada, state) = app().await;
        let mut bodies = Vec::new();
        for _ in 0..2 {
            bodies.push(body_of(&handle(&state, ada.principal(), keyed_request(&valid_body(), "k")).await.unwrap()));
        }
        assert_eq!(bodies[0], bodies[1]);
        assert_eq!(app.items().await.iter().filter(|item| item["sk"].as_s().unwrap() == "PAYMENT").count(), 1);
    }

    #[tokio::test]
    async fn every_invalid_field_is_reported() {
        let (_app, ada, state) = app().await;
        let body = json!({
            "amount": 0, "currency": "frw", "paymentMethod": "MOBILE_MONEY", "customerPhone": "0788123456",
            "customerEmail": "nobody", "paymentAccountId": "a b",
        });
        let problem = handle(&state, ada.principal(), request(&body)).await.unwrap_err();
        let expected = ["/amount", "/currency", "/customerPhone", "/customerEmail", "/paymentAccountId"];
        assert_eq!(pointers(&problem), expected);
    }
}
