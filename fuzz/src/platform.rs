//! Both contexts over in-process tables, with a clock that stands still and seeded randomness. Every input starts from the
//! same items.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use account::http as auth_api;
use account::ops::rotate_keys;
use config::Env;
use http_api::{Gate, Problem, QueryParameters, Request, Response};
use kernel::testing::{FixedClock, SeededRandom};
use kernel::{Clock, SystemClock, Timestamp};
use lambda_http::Context;
use payment::http as payment_api;
use platform_tests::functions::{
    ACCOUNT_ROUTES, AccountFunctions, NoDelivery, PAYMENT_ROUTES, PaymentFunctions, Services, Settings, TABLES,
};
use serde_json::{Value, json};
use testkit::{Engine, Snapshot};

use crate::response::Answer;

/// The time of every input.
const NOW: &str = "2026-01-31T12:00:00Z";
/// More than an input may take.
const TIME_LIMIT: Duration = Duration::from_mins(1);
const PASSWORD: &str = "correct horse battery";

/// Texts of the sample events in `events/`, in place of which an input has the values of this platform.
const SAMPLE_ACCESS_TOKEN: &str = "PUT-AN-ACCESS-TOKEN-HERE";
const SAMPLE_HEADER: &str = "PUT-A-VALUE-HERE";
const SAMPLE_REFERENCE: &str = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4";
const SAMPLE_REFRESH_TOKEN: &str = "AZChslw9Tm-KexydXy06S18MLT56G0ydjm8aKzxNXm9NqkU0a1bN3o0vQyJb8TzqXv1mWc7kLhF2eR5sUw9xYQh1pTz4c8Vb0nRk2yWmQe7JsA3uXfL9gDo6iHtZwB5K";
const SAMPLE_SESSION: &str = "5f0c2d3e-7a1b-4c9d-8e6f-1a2b3c4d5e6f";
const SAMPLE_TRANSFER: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";

/// The query parameters of the endpoints that have any.
const QUERIES: [(&str, &[&str]); 5] = [
    ("GET /api/auth/validate", auth_api::validate::QUERY),
    ("GET /api/payments", payment_api::list_payments::QUERY),
    ("GET /auth/sessions", auth_api::list_sessions::QUERY),
    ("GET /payments/histories", payment_api::list_history::QUERY),
    ("POST /auth/signout", auth_api::signout::QUERY),
];

pub(crate) fn now() -> Timestamp {
    Timestamp::parse(NOW).expect("a timestamp")
}

struct Platform {
    engine: Engine,
    account: AccountFunctions<NoDelivery>,
    payment: PaymentFunctions,
}

impl Platform {
    async fn new(random: &'static SeededRandom) -> Self {
        let engine = Engine::start().await;
        for (stack, table) in TABLES {
            engine.create_table(stack, table);
        }
        let services = Services { client: engine.client.clone(), clock: FixedClock(now()), random };
        let settings = Settings { max_sessions: 3, ..Settings::DEFAULT };
        let account = AccountFunctions::new(&services, NoDelivery, settings);
        rotate_keys(&account.rotate, json!({}), "rotation".to_owned()).await.expect("a first key");
        Self { account, payment: PaymentFunctions::new(&services, settings), engine }
    }

    /// A route that no function has is that of the context's simplest read.
    async fn respond(&self, route: &str, request: Request) -> Result<Response, Problem> {
        match route {
            route if ACCOUNT_ROUTES.contains(&route) => self.account.respond(route, request).await,
            route if PAYMENT_ROUTES.contains(&route) => self.payment.respond(route, request, drop).await,
            route if route.contains("auth") => self.account.respond("GET /auth/me", request).await,
            _ => self.payment.respond("GET /payments/accounts", request, drop).await,
        }
    }

    /// Passes an event through the gate of its route to the route's handler.
    async fn answer(&'static self, event: &str) -> Answer {
        let parsed: Value = serde_json::from_str(event).unwrap_or_default();
        let route = parsed["requestContext"]["routeKey"].as_str().unwrap_or_default().to_owned();
        let query = QUERIES.iter().find(|(with_query, _)| *with_query == route).map_or(&[][..], |(_, query)| query);
        let gate = Gate::from_env(&Env::from_iter([("COOKIE_PREFIXES", "disabled")]), QueryParameters::Only(query))
            .expect("settings");
        let mut context = Context::default();
        "8f507cfc-xmpl-4697-b07a-ac58fc914c95".clone_into(&mut context.request_id);
        let deadline = SystemClock.now().plus(TIME_LIMIT).unix_millis();
        context.deadline = deadline.try_into().expect("a time after 1970");
        let respond = |request| async move { Box::pin(self.respond(&route, request)).await };
        Answer::new(gate.answer(event, context, respond).await.expect("a response"))
    }
}

/// What this platform has in place of the texts of the sample events.
struct Fixtures {
    access_token: String,
    refresh_token: String,
    session: String,
    reference: String,
    transfer: String,
}

pub(crate) struct Harness {
    runtime: tokio::runtime::Runtime,
    platform: &'static Platform,
    fixtures: Fixtures,
    snapshot: Snapshot,
}

static HARNESS: LazyLock<Mutex<Harness>> = LazyLock::new(|| Mutex::new(Harness::new()));

impl Harness {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let platform: &Platform = runtime
            .block_on(async { Box::leak(Box::new(Platform::new(Box::leak(Box::new(SeededRandom::new(1)))).await)) });
        let fixtures = runtime.block_on(fixtures(platform));
        platform.engine.round_trips();
        let snapshot = platform.engine.snapshot(&TABLES.map(|(_, table)| table));
        Self { runtime, platform, fixtures, snapshot }
    }

    /// Runs an input with the harness, and undoes what it has written.
    pub(crate) fn with<T>(run: impl FnOnce(&Self) -> T) -> T {
        let harness = HARNESS.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = run(&harness);
        let is_read = |operation: &String| ["GetItem", "BatchGetItem", "Query"].contains(&operation.as_str());
        if !harness.platform.engine.round_trips().iter().all(is_read) {
            harness.platform.engine.restore(&harness.snapshot);
        }
        outcome
    }

    /// Answers an event of API Gateway.
    pub(crate) fn answer(&self, event: &str) -> Answer {
        self.runtime.block_on(self.platform.answer(&self.fixtures.fill(event)))
    }

    /// Applies the messages of a queue, and returns the ids of those that failed.
    pub(crate) fn apply(&self, event: aws_lambda_events::sqs::SqsEvent) -> Vec<String> {
        let store = &self.platform.payment.store;
        let apply = |body: String| async move { payment::events::inbound::apply(store, &body).await };
        let failed = self.runtime.block_on(lambda::batch::process_batch(event, apply));
        failed.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// The claims of an access token, if it is valid.
    pub(crate) fn verify(&self, token: &str) -> Result<auth::Principal, auth::Rejection> {
        self.runtime.block_on(self.platform.account.verifier.verify(token))
    }

    pub(crate) fn access_token(&self) -> &str {
        &self.fixtures.access_token
    }
}

impl Fixtures {
    /// Replaces the texts of the sample events.
    fn fill(&self, event: &str) -> String {
        let texts = [
            (SAMPLE_ACCESS_TOKEN, &self.access_token),
            (SAMPLE_REFRESH_TOKEN, &self.refresh_token),
            (SAMPLE_SESSION, &self.session),
            (SAMPLE_REFERENCE, &self.reference),
            (SAMPLE_TRANSFER, &self.transfer),
        ];
        let filled = texts.iter().fold(event.to_owned(), |event, (sample, own)| event.replace(sample, own));
        signed(&filled).unwrap_or(filled)
    }
}

/// The event with a valid signature, if it has that of the sample event.
fn signed(event: &str) -> Option<String> {
    if !event.contains(SAMPLE_HEADER) {
        return None;
    }
    let mut event: Value = serde_json::from_str(event).ok()?;
    if event["headers"][::webhook::SIGNATURE] != SAMPLE_HEADER {
        return None;
    }
    let id = event["headers"][::webhook::ID].as_str()?.to_owned();
    let signature = platform_tests::functions::webhook_secret().sign(&id, now(), event["body"].as_str()?.as_bytes());
    event["headers"][::webhook::SIGNATURE] = json!(signature);
    event["headers"][::webhook::TIMESTAMP] = json!(now().unix_seconds().to_string());
    Some(event.to_string())
}

/// Users, accounts, a transfer and a payment, made through the API.
async fn fixtures(platform: &'static Platform) -> Fixtures {
    let anonymous = |route: &str, body: Value| event(route, &json!({}), &json!({}), &body);
    let mut tokens = Value::Null;
    for name in ["ben", "ada"] {
        let email = format!("{name}@example.com");
        let user =
            platform.answer(&anonymous("POST /auth/signup", json!({"email": email, "password": PASSWORD}))).await;
        let id = user.json()["id"].as_str().expect("an id").to_owned();
        let created = json!({
            "id": "event", "type": "user:created", "schemaVersion": 1, "aggregateId": id, "aggregateVersion": 1,
            "occurredAt": NOW, "data": {"id": id, "email": email, "status": "ACTIVE", "epoch": 0},
        });
        payment::events::inbound::apply(&platform.payment.store, &created.to_string()).await.expect("a replica");
        let login = anonymous("POST /api/auth/login", json!({"email": email, "password": PASSWORD}));
        tokens = platform.answer(&login).await.json();
        let by_user = |route: &str, body: Value| {
            let token = tokens["access_token"].as_str().expect("a token");
            event(route, &json!({"authorization": format!("Bearer {token}")}), &json!({}), &body)
        };
        let opened =
            json!({"paymentAccountType": "DEBIT", "paymentAccountId": format!("{name}-main"), "balance": 100_000});
        assert_eq!(platform.answer(&by_user("POST /payments/accounts", opened)).await.status, 201);
    }
    let bearer = json!({"authorization": format!("Bearer {}", tokens["access_token"].as_str().expect("a token"))});
    let by_ada =
        async |route: &str, body: Value| platform.answer(&event(route, &bearer, &json!({}), &body)).await.json();
    let sent = json!({"amount": 2550, "fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main"});
    let transfer = by_ada("POST /payments/send", sent).await;
    let new = json!({
        "amount": 5000, "currency": "USD", "customerEmail": "customer@example.com", "customerPhone": "+250788123456",
        "paymentMethod": "MOBILE_MONEY", "paymentAccountId": "ada-main",
    });
    let payment = by_ada("POST /api/payments", new).await;
    let sessions = by_ada("GET /auth/sessions", Value::Null).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Fixtures {
        access_token: text(&tokens["access_token"]),
        refresh_token: text(&tokens["refresh_token"]),
        session: text(&sessions["data"][0]["id"]),
        reference: text(&payment["reference"]),
        transfer: text(&transfer["id"]),
    }
}

/// An event of API Gateway.
pub(crate) fn event(route: &str, headers: &Value, parts: &Value, body: &Value) -> String {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let mut event = json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": route, "stage": "$default",
        },
        "isBase64Encoded": false,
    });
    for (name, value) in headers.as_object().into_iter().flatten() {
        event["headers"][name] = value.clone();
    }
    for (name, value) in parts.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    if !body.is_null() {
        event["body"] = json!(body.to_string());
    }
    event.to_string()
}
