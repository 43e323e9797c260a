//! The payment context's endpoints.

use std::collections::HashMap;

use auth::Principal;
use http_api::Request;
use kernel::{Clock, SystemClock};
use lambda_http::RequestExt;
use payment::app::webhook_secrets::{LoadSecrets, LoadSecretsError, WebhookSecrets};
use payment::domain::WriteShards;
use payment::http::{
    create_payment, deposit, get_payment, get_transfer, list_accounts, list_history, open_account, provider_webhook,
    send, update_account, update_payment_status, withdraw,
};
use payment::store::Store;
use serde_json::{Value, json};
use testkit::Engine;
use webhook::WebhookSecret;

use super::{Recorder, Row, fails_with, lists, returns};
use crate::fixtures::{PaymentFixtures, new_principal};
use crate::meter::Meter;
use crate::requests::{empty, keyed, post, request, with_path_parameter};

/// The payment context with two users.
struct Scene {
    fixtures: PaymentFixtures,
    ada: Principal,
    ben: Principal,
}

impl Scene {
    fn store(&self) -> &Store {
        &self.fixtures.store
    }

    fn transfers(&self) -> send::State {
        send::State::from_env(&self.fixtures.env, self.store().clone()).expect("a complete environment")
    }
}

pub(super) async fn run() -> Vec<Row> {
    let engine = Engine::start().await;
    let meter = Meter::default();
    let fixtures = PaymentFixtures::new(meter.on(&engine.client), &engine.create_table("payment", "PaymentTable"));
    let (ada, ben) = (fixtures.user().await, fixtures.user().await);
    let scene = Scene { fixtures, ada, ben };
    let mut recorder = Recorder::new(meter);
    Box::pin(accounts(&scene, &mut recorder)).await;
    Box::pin(deposits_and_withdrawals(&scene, &mut recorder)).await;
    Box::pin(sends(&scene, &mut recorder)).await;
    Box::pin(shards(&scene, &engine, &mut recorder)).await;
    Box::pin(reads(&scene, &mut recorder)).await;
    Box::pin(collections(&scene, &mut recorder)).await;
    Box::pin(webhooks(&scene, &mut recorder)).await;
    Box::pin(lists::run(&scene.fixtures, &engine.client, &mut recorder)).await;
    recorder.rows
}

async fn accounts(scene: &Scene, recorder: &mut Recorder) {
    const OPEN: &str = "POST /payments/accounts";
    let state = scene.fixtures.open_account_state();
    let main = keyed(&json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ada-main", "balance": 90_000}), "a");
    recorder.add(OPEN, "success", returns(201), open_account::handle(&state, scene.ada, main.clone())).await;
    recorder.add(OPEN, "replay", returns(201), open_account::handle(&state, scene.ada, main.clone())).await;
    let bare = post(&json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ben-main"}));
    recorder
        .add(OPEN, "success, without a deposit", returns(201), open_account::handle(&state, scene.ben, bare.clone()))
        .await;
    let taken = fails_with(409, "account_id_taken");
    recorder.add(OPEN, "failure", taken, open_account::handle(&state, scene.ada, bare.clone())).await;
    let loan = json!({"paymentAccountType": "LOAN", "principal": 1000, "disburseTo": "ada-main"});
    let loan = keyed(&loan, "b");
    recorder.add(OPEN, "success, loan", returns(201), open_account::handle(&state, scene.ada, loan.clone())).await;
    for path in ["GET /payments/accounts", "GET /payments/account"] {
        recorder.add(path, "success", returns(200), list_accounts::handle(scene.store(), scene.ada, empty())).await;
    }
}

async fn deposits_and_withdrawals(scene: &Scene, recorder: &mut Recorder) {
    const DEPOSIT: &str = "POST /payments/deposit";
    const WITHDRAW: &str = "POST /payments/withdraw";
    let transfers = scene.transfers();
    let body = json!({"paymentAccountId": "ada-main", "amount": 500});
    let euros = json!({"paymentAccountId": "ada-main", "amount": 500, "currency": "EUR"});
    let much = json!({"paymentAccountId": "ada-main", "amount": 1_000_000});
    let deposits =
        deposit::State::from_env(&scene.fixtures.env, scene.store().clone()).expect("a complete environment");
    let (body, euros, much) = (keyed(&body, "c"), (post(&euros), keyed(&euros, "d")), (post(&much), keyed(&much, "e")));
    recorder.add(DEPOSIT, "success", returns(201), deposit::handle(&deposits, scene.ada, body.clone())).await;
    recorder.add(DEPOSIT, "replay", returns(201), deposit::handle(&deposits, scene.ada, body.clone())).await;
    let mismatch = || fails_with(422, "currency_mismatch");
    recorder.add(DEPOSIT, "failure", mismatch(), deposit::handle(&deposits, scene.ada, euros.0.clone())).await;
    recorder
        .add(DEPOSIT, "failure, with key", mismatch(), deposit::handle(&deposits, scene.ada, euros.1.clone()))
        .await;
    recorder.add(WITHDRAW, "success", returns(201), withdraw::handle(&transfers, scene.ada, body.clone())).await;
    recorder.add(WITHDRAW, "replay", returns(201), withdraw::handle(&transfers, scene.ada, body.clone())).await;
    let insufficient = || fails_with(422, "insufficient_funds");
    recorder.add(WITHDRAW, "failure", insufficient(), withdraw::handle(&transfers, scene.ada, much.0.clone())).await;
    recorder
        .add(WITHDRAW, "failure, with key", insufficient(), withdraw::handle(&transfers, scene.ada, much.1.clone()))
        .await;
}

async fn sends(scene: &Scene, recorder: &mut Recorder) {
    const SEND: &str = "POST /payments/send";
    let transfers = scene.transfers();
    let body = |amount: i64| json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main", "amount": amount, "note": "Dinner"});
    let (dinner, much) = (keyed(&body(2550), "f"), (post(&body(1_000_000)), keyed(&body(1_000_000), "g")));
    recorder.add(SEND, "success", returns(201), send::handle(&transfers, scene.ada, dinner.clone())).await;
    recorder.add(SEND, "replay", returns(201), send::handle(&transfers, scene.ada, dinner.clone())).await;
    let insufficient = || fails_with(422, "insufficient_funds");
    recorder.add(SEND, "failure", insufficient(), send::handle(&transfers, scene.ada, much.0.clone())).await;
    recorder.add(SEND, "failure, with key", insufficient(), send::handle(&transfers, scene.ada, much.1.clone())).await;
    recorder.add(SEND, "failure, replayed", insufficient(), send::handle(&transfers, scene.ada, much.1.clone())).await;
    // The largest possible transfer: the longest ids and the widest characters.
    let (from, to) = (format!("ada-{}", "x".repeat(60)), format!("ben-{}", "x".repeat(60)));
    scene.fixtures.open(scene.ada, &from, 9_007_199_254_740_991).await;
    scene.fixtures.open(scene.ben, &to, 0).await;
    let widest = json!({
        "fromPaymentAccountId": from, "toPaymentAccountId": to, "amount": 9_007_199_254_740_991_i64,
        "note": "\u{1F389}".repeat(140),
    });
    let widest = keyed(&widest, &"k".repeat(255));
    recorder.add(SEND, "success, largest", returns(201), send::handle(&transfers, scene.ada, widest.clone())).await;
}

/// A payee with concurrent payers.
async fn shards(scene: &Scene, engine: &Engine, recorder: &mut Recorder) {
    let shop = scene.fixtures.user().await;
    let open = post(&json!({"paymentAccountType": "DEBIT", "paymentAccountId": "shop", "intakeShards": 8}));
    let state = scene.fixtures.open_account_state();
    let sharded = open_account::handle(&state, shop, open.clone());
    recorder.add("POST /payments/accounts", "success, with eight shards", returns(201), sharded).await;
    let transfers = scene.transfers();
    let pay =
        post(&json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "shop", "amount": 7, "note": "Tea"}));
    engine.raise_transaction_conflicts(1, 2, 3);
    let first = send::handle(&transfers, scene.ada, pay.clone());
    recorder.add("POST /payments/send", "success, contended payee", returns(201), first).await;
    let next = send::handle(&transfers, scene.ada, pay.clone());
    recorder.add("POST /payments/send", "success, known contended payee", returns(201), next).await;
    let stall = scene.fixtures.user().await;
    scene.fixtures.open(stall, "stall", 0).await;
    let store = scene.store().clone().with_auto_shards(WriteShards::new(8).ok());
    let busy = send::State::from_env(&scene.fixtures.env, store).expect("a complete environment");
    let pay = post(&json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "stall", "amount": 7}));
    engine.raise_transaction_conflicts(10, 2, 3);
    let giving = send::handle(&busy, scene.ada, pay.clone());
    recorder.add("POST /payments/send", "success, giving the payee shards", returns(201), giving).await;
    let accounts = list_accounts::handle(scene.store(), shop, empty());
    recorder.add("GET /payments/accounts", "success, with eight shards", returns(200), accounts).await;
    Box::pin(set_shards(scene, recorder)).await;
    let all = post(&json!({"paymentAccountId": "shop", "amount": 14}));
    let drawn = withdraw::handle(&transfers, shop, all.clone());
    recorder.add("POST /payments/withdraw", "success, draining shards", returns(201), drawn).await;
}

/// The number of shards of an account that exists.
async fn set_shards(scene: &Scene, recorder: &mut Recorder) {
    const UPDATE: &str = "PATCH /payments/accounts/{id}";
    let kiosk = scene.fixtures.user().await;
    scene.fixtures.open(kiosk, "kiosk", 0).await;
    let request = |shards: u8| with_path_parameter(post(&json!({"intakeShards": shards})), "id", "kiosk");
    for (outcome, shards) in [("success, eight new shards", 8), ("success", 4), ("replay", 4)] {
        let updated = update_account::handle(scene.store(), kiosk, request(shards));
        recorder.add(UPDATE, outcome, returns(200), updated).await;
    }
    let not_found = fails_with(404, "account_not_found");
    let foreign = update_account::handle(scene.store(), scene.ben, request(4));
    recorder.add(UPDATE, "failure", not_found, foreign).await;
}

async fn reads(scene: &Scene, recorder: &mut Recorder) {
    const HISTORIES: &str = "GET /payments/histories";
    const TRANSFER: &str = "GET /payments/transfers/{id}";
    let transfers = scene.transfers();
    let body = json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main", "amount": 1});
    let sent = send::handle(&transfers, scene.ada, post(&body)).await.expect("money that moves");
    let last: Value = serde_json::from_str(&sent.body).expect("a transfer");
    let parameters = HashMap::from([("paymentAccountId".to_owned(), "ben-main".to_owned())]);
    let others = empty().with_query_string_parameters(parameters);
    let unknown = fails_with(404, "account_not_found");
    recorder.add(HISTORIES, "failure", unknown, list_history::handle(scene.store(), scene.ada, others.clone())).await;
    let transfer = with_path_parameter(empty(), "id", last["id"].as_str().expect("an id"));
    recorder
        .add(TRANSFER, "success", returns(200), get_transfer::handle(scene.store(), scene.ada, transfer.clone()))
        .await;
    let unknown = fails_with(404, "transfer_not_found");
    recorder
        .add(TRANSFER, "failure", unknown, get_transfer::handle(scene.store(), new_principal(), transfer.clone()))
        .await;
}

fn payment_body() -> Value {
    json!({
        "amount": 5000, "currency": "USD", "paymentMethod": "MOBILE_MONEY", "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com", "paymentAccountId": "ada-main",
    })
}

async fn collections(scene: &Scene, recorder: &mut Recorder) {
    const CREATE: &str = "POST /api/payments";
    const GET: &str = "GET /api/payments/{reference}";
    const STATUS: &str = "POST /api/payments/{reference}/status";
    let state =
        create_payment::State::from_env(&scene.fixtures.env, scene.store().clone()).expect("a complete environment");
    let asked = keyed(&payment_body(), "h");
    let created =
        recorder.add(CREATE, "success", returns(201), create_payment::handle(&state, scene.ada, asked.clone())).await;
    recorder.add(CREATE, "replay", returns(201), create_payment::handle(&state, scene.ada, asked.clone())).await;
    let others = post(&payment_body());
    let unknown = fails_with(404, "account_not_found");
    recorder.add(CREATE, "failure", unknown, create_payment::handle(&state, scene.ben, others.clone())).await;
    let mut bare = payment_body();
    bare["paymentAccountId"].take();
    let bare = post(&bare);
    recorder
        .add(
            CREATE,
            "success, without an account",
            returns(201),
            create_payment::handle(&state, scene.ada, bare.clone()),
        )
        .await;
    let created: Value = serde_json::from_str(&created.expect("a payment").body).expect("a payment");
    let reference = created["reference"].as_str().expect("a reference");
    let this = with_path_parameter(empty(), "reference", reference);
    let table = scene.store();
    recorder.add(GET, "success", returns(200), get_payment::handle(table, scene.ada, this.clone())).await;
    recorder
        .add(GET, "failure", fails_with(404, "payment_not_found"), get_payment::handle(table, scene.ben, this.clone()))
        .await;
    let state =
        update_payment_status::State::from_env(&scene.fixtures.env, table.clone()).expect("a complete environment");
    let to = |status: &str| with_path_parameter(post(&json!({"status": status})), "reference", reference);
    let (pending, success) = (to("PENDING"), to("SUCCESS"));
    let illegal = fails_with(400, "invalid_transition");
    recorder.add(STATUS, "failure", illegal, update_payment_status::handle(&state, scene.ada, success.clone())).await;
    recorder
        .add(STATUS, "success", returns(200), update_payment_status::handle(&state, scene.ada, pending.clone()))
        .await;
    let credits = "success, crediting an account";
    recorder
        .add(STATUS, credits, returns(200), update_payment_status::handle(&state, scene.ada, success.clone()))
        .await;
}

struct FixedSecret;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret() -> WebhookSecret {
    WebhookSecret::parse(SECRET).expect("a secret")
}

impl LoadSecrets for FixedSecret {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        Ok(vec![secret()])
    }
}

/// A signed webhook.
fn webhook_request(reference: &str, status: &str, id: &str) -> Request {
    let body = json!({"reference": reference, "status": status, "providerTransactionId": "MTN-884213"});
    let now = SystemClock.now();
    let signature = secret().sign(id, now, body.to_string().as_bytes());
    let headers =
        [(webhook::ID, id), (webhook::TIMESTAMP, &now.unix_seconds().to_string()), (webhook::SIGNATURE, &signature)];
    request(Some(&body), &headers)
}

async fn webhooks(scene: &Scene, recorder: &mut Recorder) {
    const WEBHOOK: &str = "POST /api/payments/webhook/provider";
    let state =
        create_payment::State::from_env(&scene.fixtures.env, scene.store().clone()).expect("a complete environment");
    let created = create_payment::handle(&state, scene.ada, post(&payment_body())).await.expect("a payment");
    let created: Value = serde_json::from_str(&created.body).expect("a payment");
    let reference = created["reference"].as_str().expect("a reference");
    let state = update_payment_status::State::from_env(&scene.fixtures.env, scene.store().clone())
        .expect("a complete environment");
    let pending = with_path_parameter(post(&json!({"status": "PENDING"})), "reference", reference);
    update_payment_status::handle(&state, scene.ada, pending.clone()).await.expect("a payment that the provider has");

    let secrets = WebhookSecrets::new(FixedSecret);
    secrets.get(SystemClock.now()).await.expect("the secret, loaded as in init");
    let state = provider_webhook::State { store: scene.store().clone(), secrets };
    let success = webhook_request(reference, "SUCCESS", "msg-1");
    recorder
        .add(WEBHOOK, "success, crediting an account", returns(200), provider_webhook::handle(&state, success.clone()))
        .await;
    recorder.add(WEBHOOK, "replay", returns(200), provider_webhook::handle(&state, success.clone())).await;
    let repeated = webhook_request(reference, "SUCCESS", "msg-2");
    recorder.add(WEBHOOK, "success, unchanged", returns(200), provider_webhook::handle(&state, repeated.clone())).await;
    let contradiction = webhook_request(reference, "FAILED", "msg-3");
    recorder
        .add(
            WEBHOOK,
            "success, for reconciliation",
            returns(200),
            provider_webhook::handle(&state, contradiction.clone()),
        )
        .await;
    let reused = webhook_request(reference, "FAILED", "msg-1");
    recorder
        .add(WEBHOOK, "failure", fails_with(409, "webhook_id_reused"), provider_webhook::handle(&state, reused.clone()))
        .await;
    let mut forged = webhook_request(reference, "SUCCESS", "msg-4");
    forged.headers_mut().remove(webhook::SIGNATURE);
    let forgery = fails_with(401, "invalid_signature");
    recorder.add(WEBHOOK, "failure, forged", forgery, provider_webhook::handle(&state, forged.clone())).await;
}
