//! `POST /api/payments`: asks a customer for money, through a provider.

use auth::Principal;
use config::{ConfigError, Env};
use contact::{Email, Phone};
use http_api::{FieldErrors, Problem, Request, Response, deadline, json_body};
use kernel::SystemRandom;
use kernel::{Amount, Clock, Currency, Random, SystemClock};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::posting::{answer, named_request};
use super::problems;
use super::wire::{MinorUnits, PaymentBody};
use crate::domain::{Actor, Payment, PaymentAccountId, PaymentMethod, PaymentReference, PaymentStatus, Step};
use crate::store::Fence;
use crate::store::payments::{CreatePayment, PaymentOrder};

/// What to ask of a customer.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CreatePayment)]
pub(super) struct Body {
    #[schema(value_type = Amount)]
    amount: MinorUnits,
    #[schema(value_type = Currency)]
    currency: String,
    payment_method: PaymentMethod,
    /// In any international spelling.
    #[schema(example = "+250 788 123 456")]
    customer_phone: String,
    #[schema(value_type = Email)]
    customer_email: String,
    /// Your DEBIT or CREDIT account of this currency, that a success credits.
    #[schema(value_type = Option<PaymentAccountId>)]
    payment_account_id: Option<String>,
}

/// What the endpoint depends on.
#[derive(Debug, Clone)]
pub struct PaymentDesk<S, C = SystemClock, R = SystemRandom> {
    /// Where payments are written down.
    pub store: S,
    /// The time.
    pub clock: C,
    /// For references of requests without a key.
    pub random: R,
    /// Who collects.
    pub provider_name: String,
}

impl<S> PaymentDesk<S> {
    /// The dependencies of the function, as its environment has them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, store: S) -> Result<Self, ConfigError> {
        let provider_name = env.required("PROVIDER_NAME")?.to_owned();
        Ok(Self { store, clock: SystemClock, random: SystemRandom, provider_name })
    }
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: the request is wrong, or the account that it names cannot be credited.
pub async fn handle<S: CreatePayment, C: Clock, R: Random>(
    desk: &PaymentDesk<S, C, R>,
    principal: Principal,
    request: &Request,
) -> Result<Response, Problem> {
    let body: Body = json_body(request)?;
    let wish = Wish::read(&body)?;
    let named = named_request(principal, request, "create-payment", &body, &desk.random)?;
    let now = desk.clock.now();
    let payment = Payment {
        reference: PaymentReference::of(&named, now, &desk.random),
        owner: principal.user_id,
        amount: wish.amount,
        currency: wish.currency,
        method: body.payment_method,
        customer_phone: wish.customer_phone,
        customer_email: wish.customer_email,
        status: PaymentStatus::Initiated,
        provider_name: desk.provider_name.clone(),
        provider_transaction_id: None,
        payment_account_id: wish.payment_account_id,
        created_at: now,
        updated_at: now,
        history: vec![Step { status: PaymentStatus::Initiated, at: now, by: Actor::Owner }],
        version: 1,
    };
    let order = PaymentOrder {
        payment,
        fingerprint: named.fingerprint,
        fence: Fence::from(&principal),
        deadline: deadline(request),
    };
    let is_named = order.fingerprint.is_some();
    let created = desk.store.create(order).await;
    let created = created.map_err(|error| problems::of_command(problems::create_payment(&error), is_named))?;
    answer(&PaymentBody::from(&created.payment), created.replayed)
}

struct Wish {
    amount: Amount,
    currency: Currency,
    customer_phone: Phone,
    customer_email: Email,
    payment_account_id: Option<PaymentAccountId>,
}

impl Wish {
    fn read(body: &Body) -> Result<Self, Problem> {
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
        Ok(Self { amount, currency, customer_phone, customer_email, payment_account_id })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use serde_json::{Value, json};

    use super::super::testing::{ada, body_of, named, now, pointers, request};
    use super::*;
    use crate::store::payments::{CreateError, Created};

    #[derive(Default)]
    struct FakeStore(Mutex<Vec<PaymentOrder>>);

    impl CreatePayment for FakeStore {
        async fn create(&self, order: PaymentOrder) -> Result<Created, CreateError> {
            let payment = order.payment.clone();
            self.0.lock().unwrap().push(order);
            Ok(Created { payment, replayed: false })
        }
    }

    fn desk() -> PaymentDesk<FakeStore, FixedClock, SeededRandom> {
        PaymentDesk {
            store: FakeStore::default(),
            clock: FixedClock(now()),
            random: SeededRandom::new(2),
            provider_name: "momo".to_owned(),
        }
    }

    fn wish() -> Value {
        json!({
            "amount": 2500, "currency": "RWF", "paymentMethod": "MOBILE_MONEY",
            "customerPhone": "+250 788 123 456", "customerEmail": "Cus@Example.com",
        })
    }

    #[tokio::test]
    async fn a_payment_begins_initiated_with_its_customer_in_canonical_form() {
        let desk = desk();
        let answer = handle(&desk, ada(), &request(&wish())).await.unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(desk.store.0.lock().unwrap()[0].fence, Fence::from(&ada()));
        let body = body_of(&answer);
        assert!(PaymentReference::parse(body["reference"].as_str().unwrap()).is_ok());
        assert_eq!(
            (&body["status"], &body["customerPhone"], &body["customerEmail"], &body["providerName"]),
            (&json!("INITIATED"), &json!("+250788123456"), &json!("cus@example.com"), &json!("momo"))
        );
        let first = json!([{"status": "INITIATED", "at": "2026-01-31T12:00:00.000Z", "by": "OWNER"}]);
        assert_eq!(body["history"], first);
        assert_eq!((&body["paymentAccountId"], &body["providerTransactionId"]), (&Value::Null, &Value::Null));
    }

    #[tokio::test]
    async fn a_key_names_one_payment() {
        let desk = desk();
        for _ in 0..2 {
            handle(&desk, ada(), &named(&wish(), "k")).await.unwrap();
        }
        let orders = desk.store.0.lock().unwrap();
        assert_eq!(orders[0].payment.reference, orders[1].payment.reference);
        assert_eq!(orders[0].fingerprint, orders[1].fingerprint);
    }

    #[tokio::test]
    async fn everything_that_is_wrong_is_told_at_once() {
        let body = json!({
            "amount": 0, "currency": "frw", "paymentMethod": "MOBILE_MONEY", "customerPhone": "0788123456",
            "customerEmail": "nobody", "paymentAccountId": "a b",
        });
        let problem = handle(&desk(), ada(), &request(&body)).await.unwrap_err();
        let expected = ["/amount", "/currency", "/customerPhone", "/customerEmail", "/paymentAccountId"];
        assert_eq!(pointers(&problem), expected);
    }
}
