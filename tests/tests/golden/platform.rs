//! Both contexts over in-process tables, with a manual clock and seeded randomness. No other file of the golden tests uses
//! names of the code under test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use account::domain::Identifier;
use account::domain::verification_code::Code;
use account::notify::{DeliveryError, SendCode};
use account::ops::{rotate_keys, set_user_status};
use auth::Principal;
use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::types::AttributeValue;
use http_api::{Problem, Request, Response};
use kernel::testing::{ManualClock, SeededRandom};
use kernel::{Clock, Timestamp};
use lambda_http::RequestExt;
use payment::ops::open_credit::open_credit;
use payment::ops::set_write_shards::set_write_shards;
use platform_tests::functions::{
    AccountFunctions, PaymentFunctions, Services, Settings, TABLES, gateway_request, webhook_secret,
};
use serde_json::{Map, Value, json};
use testkit::Engine;

/// The status and the body of a response.
pub(crate) type Outcome = (u16, Value);

#[derive(Clone, Default)]
struct Mailbox(Arc<Mutex<String>>);

impl SendCode for Mailbox {
    async fn send_code(&self, _to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        code.expose().clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

pub(crate) struct Platform {
    engine: Engine,
    pub(crate) clock: ManualClock,
    mailbox: Mailbox,
    account: AccountFunctions<Mailbox>,
    payment: PaymentFunctions,
}

impl Platform {
    /// An empty platform. Rotate the keys before anyone signs in.
    pub(crate) async fn new() -> Self {
        let engine = Engine::start().await;
        for (stack, table) in TABLES {
            engine.create_table(stack, table);
        }
        let clock = ManualClock::at(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        // One source of randomness for everything, so that the golden files do not depend on which component draws from it.
        let random: &'static SeededRandom = Box::leak(Box::new(SeededRandom::new(1)));
        let services = Services { client: engine.client.clone(), clock: clock.clone(), random };
        let mailbox = Mailbox::default();
        Self {
            account: AccountFunctions::new(&services, mailbox.clone(), Settings::DEFAULT),
            payment: PaymentFunctions::new(&services, Settings::DEFAULT),
            mailbox,
            clock,
            engine,
        }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends a request to an endpoint of the account context.
    pub(crate) async fn auth(&self, route: &str, token: Option<&str>, body: &Value, parameter: &str) -> Outcome {
        let mut request = request(body);
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let parameters = |name: &str| HashMap::from([(name.to_owned(), parameter.to_owned())]);
        let request = match route {
            "POST /auth/signout" => request.with_query_string_parameters(parameters("scope")),
            "DELETE /auth/sessions/{id}" => request.with_path_parameters(parameters("id")),
            _ => request,
        };
        outcome(self.account.respond(route, request).await)
    }

    /// The last verification code that was sent.
    pub(crate) fn code(&self) -> String {
        self.mailbox.0.lock().unwrap().clone()
    }

    pub(crate) async fn rotate_keys(&self, event: Value) -> Value {
        serde_json::to_value(rotate_keys(&self.account.rotate, event, "rotation-1".to_owned()).await.unwrap()).unwrap()
    }

    pub(crate) async fn set_status(&self, event: Value) -> Value {
        let result = set_user_status(&self.account.set_status, event, "operator-1".to_owned()).await.unwrap();
        serde_json::to_value(result).unwrap()
    }

    pub(crate) async fn open_credit(&self, event: Value) -> Value {
        let result = open_credit(&self.payment.open_credit, event, "operator-2".to_owned()).await.unwrap();
        serde_json::to_value(result).unwrap()
    }

    pub(crate) async fn set_write_shards(&self, event: Value) -> Value {
        let result = set_write_shards(&self.payment.set_shards, event, "operator-3".to_owned()).await.unwrap();
        serde_json::to_value(result).unwrap()
    }

    /// The principal of a token, as the payment context sees it.
    pub(crate) async fn principal(&self, token: &str) -> Principal {
        self.payment.verifier.verify(token).await.unwrap()
    }

    /// Sends a request to an endpoint of the payment context, by the name that the golden files have for it.
    pub(crate) async fn pay(&self, endpoint: &str, principal: Principal, request: Request) -> Outcome {
        let route = match endpoint {
            "open-account" => "POST /payments/accounts",
            "update-account" => "PATCH /payments/accounts/{id}",
            "deposit" => "POST /payments/deposit",
            "withdraw" => "POST /payments/withdraw",
            "send" => "POST /payments/send",
            "create-payment" => "POST /api/payments",
            "update-payment-status" => "POST /api/payments/{reference}/status",
            other => panic!("{other}"),
        };
        outcome(self.payment.respond_to(principal, route, request).await)
    }

    /// Sends a webhook.
    pub(crate) async fn notify(&self, id: &str, body: &Value) -> Outcome {
        let route = "POST /api/payments/webhook/provider";
        outcome(self.payment.respond(route, self.webhook(id, body), drop).await)
    }

    /// Makes the next transaction of `of` items conflict on the item `index`.
    pub(crate) fn conflict_on(&self, index: usize, of: usize) {
        self.engine.raise_transaction_conflicts(1, index, of);
    }

    /// A signed webhook.
    fn webhook(&self, id: &str, body: &Value) -> Request {
        let mut request = request(body);
        let now = self.clock.now();
        let signature = webhook_secret().sign(id, now, body.to_string().as_bytes());
        let seconds = now.unix_seconds().to_string();
        for (name, value) in
            [(webhook::ID, id), (webhook::TIMESTAMP, seconds.as_str()), (webhook::SIGNATURE, &signature)]
        {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    }

    /// The messages of a stream that inserts every item of the account context or of the payment context, in the order
    /// of their keys.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut events = Vec::new();
        for record in self.inserts("AccountTable").await {
            let event = account::events::event_from_record(&record).unwrap();
            events.extend(event.map(|event| serde_json::to_string(&event).unwrap()));
        }
        for record in self.inserts("PaymentTable").await {
            let event = payment::events::outbound::event_from_record(&record).unwrap();
            events.extend(event.map(|event| serde_json::to_string(&event).unwrap()));
        }
        events
    }

    /// Applies an event of the account context on the payment side.
    pub(crate) async fn sync(&self, message: &str) {
        payment::events::inbound::apply(&self.payment.store, message).await.unwrap();
    }

    async fn inserts(&self, table: &str) -> Vec<EventRecord> {
        let items = self.items(table).await;
        let record = |item: &Value| {
            serde_json::from_value(json!({
                "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": "eu-west-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_769_860_800.0, "SequenceNumber": "1", "SizeBytes": 1,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                    "Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item,
                },
            }))
            .unwrap()
        };
        items.iter().map(record).collect()
    }

    /// Every item of a table in DynamoDB's JSON, in the order of their keys.
    pub(crate) async fn items(&self, table: &str) -> Vec<Value> {
        let found = self.engine.client.scan().table_name(table).consistent_read(true).send().await.unwrap();
        let item = |item: std::collections::HashMap<String, AttributeValue>| {
            Value::Object(item.iter().map(|(name, value)| (name.clone(), as_json(value))).collect())
        };
        let mut items: Vec<_> = found.items.unwrap_or_default().into_iter().map(item).collect();
        items.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
        items
    }
}

fn as_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(digits) => json!({"N": digits}),
        AttributeValue::Bool(value) => json!({"BOOL": value}),
        AttributeValue::Null(value) => json!({"NULL": value}),
        AttributeValue::L(values) => json!({"L": values.iter().map(as_json).collect::<Vec<_>>()}),
        AttributeValue::M(members) => {
            let members: Map<_, _> = members.iter().map(|(name, value)| (name.clone(), as_json(value))).collect();
            json!({"M": members})
        }
        AttributeValue::Ss(texts) => {
            let mut texts = texts.clone();
            texts.sort();
            json!({"SS": texts})
        }
        other => panic!("{other:?}"),
    }
}

/// A request as API Gateway sends it.
pub(crate) fn request(body: &Value) -> Request {
    gateway_request("golden/1.0", Some(body))
}

/// A request with an idempotency key.
pub(crate) fn keyed(body: &Value, key: &str) -> Request {
    let mut request = request(body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

fn outcome(result: Result<Response, Problem>) -> Outcome {
    match result {
        Ok(response) => (response.status.as_u16(), serde_json::from_str(&response.body).unwrap_or_default()),
        Err(problem) => (problem.problem_type.status, json!({"code": problem.problem_type.code})),
    }
}
