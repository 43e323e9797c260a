//! The payment context's endpoints.

use std::collections::HashMap;

use auth::Principal;
use http_api::Request;
use kernel::{Clock, SystemClock};
use lambda_http::RequestExt;
use payment::app::webhook_secrets::{LoadSecrets, LoadSecretsError, WebhookSecrets};
use payment::http::{
    create_payment, deposit, get_payment, get_transfer, list_accounts, list_history, list_payments, open_account,
    provider_webhook, send, update_payment_status, withdraw,
};
use payment::store::Store;
use serde_json::{Value, json};
use testkit::Engine;
use webhook::WebhookSecret;

use super::{Log, Row, answers, at, empty, named, posting, refuses, request};
use crate::meter::Meter;
use crate::wallets::{Wallets, somebody};

/// How many transfers a measured page of a history holds.
const PAGE: usize = 20;

/// The payment side with two people.
struct World {
    wallets: Wallets,
    ada: Principal,
    ben: Principal,
}

impl World {
    fn store(&self) -> &Store {
        &self.wallets.store
    }

    fn transfers(&self) -> send::State {
        send::State::from_env(&self.wallets.env, self.store().clone()).expect("a complete environment")
    }
}

pub(super) async fn play() -> Vec<Row> {
    let engine = Engine::start().await;
    let meter = Meter::default();
    let wallets = Wallets::new(meter.on(&engine.client), &engine.create_table("payment", "PaymentTable"));
    let (ada, ben) = (wallets.user().await, wallets.user().await);
    let world = World { wallets, ada, ben };
    let mut log = Log::new(meter);
    Box::pin(accounts(&world, &mut log)).await;
    Box::pin(one_sided(&world, &mut log)).await;
    Box::pin(sends(&world, &mut log)).await;
    Box::pin(shards(&world, &engine, &mut log)).await;
    Box::pin(reads(&world, &mut log)).await;
    Box::pin(collections(&world, &mut log)).await;
    Box::pin(webhooks(&world, &mut log)).await;
    log.rows
}

async fn accounts(world: &World, log: &mut Log) {
    const OPEN: &str = "POST /payments/accounts";
    let opener = world.wallets.opener();
    let main = named(&json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ada-main", "balance": 90_000}), "a");
    log.add(OPEN, "success", answers(201), open_account::handle(&opener, world.ada, main.clone())).await;
    log.add(OPEN, "replay", answers(201), open_account::handle(&opener, world.ada, main.clone())).await;
    let bare = posting(&json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ben-main"}));
    log.add(OPEN, "success, without a deposit", answers(201), open_account::handle(&opener, world.ben, bare.clone()))
        .await;
    let taken = refuses(409, "account_id_taken");
    log.add(OPEN, "refusal", taken, open_account::handle(&opener, world.ada, bare.clone())).await;
    let loan = json!({"paymentAccountType": "LOAN", "principal": 1000, "disburseTo": "ada-main"});
    let loan = named(&loan, "b");
    log.add(OPEN, "success, a loan", answers(201), open_account::handle(&opener, world.ada, loan.clone())).await;
    for path in ["GET /payments/accounts", "GET /payments/account"] {
        log.add(path, "success", answers(200), list_accounts::handle(world.store(), world.ada, empty())).await;
    }
}

async fn one_sided(world: &World, log: &mut Log) {
    const DEPOSIT: &str = "POST /payments/deposit";
    const WITHDRAW: &str = "POST /payments/withdraw";
    let poster = world.transfers();
    let body = json!({"paymentAccountId": "ada-main", "amount": 500});
    let euros = json!({"paymentAccountId": "ada-main", "amount": 500, "currency": "EUR"});
    let much = json!({"paymentAccountId": "ada-main", "amount": 1_000_000});
    let deposits = deposit::State::from_env(&world.wallets.env, world.store().clone()).expect("a complete environment");
    let (body, euros, much) =
        (named(&body, "c"), (posting(&euros), named(&euros, "d")), (posting(&much), named(&much, "e")));
    log.add(DEPOSIT, "success", answers(201), deposit::handle(&deposits, world.ada, body.clone())).await;
    log.add(DEPOSIT, "replay", answers(201), deposit::handle(&deposits, world.ada, body.clone())).await;
    let mismatch = || refuses(422, "currency_mismatch");
    log.add(DEPOSIT, "refusal", mismatch(), deposit::handle(&deposits, world.ada, euros.0.clone())).await;
    log.add(DEPOSIT, "refusal, named", mismatch(), deposit::handle(&deposits, world.ada, euros.1.clone())).await;
    log.add(WITHDRAW, "success", answers(201), withdraw::handle(&poster, world.ada, body.clone())).await;
    log.add(WITHDRAW, "replay", answers(201), withdraw::handle(&poster, world.ada, body.clone())).await;
    let insufficient = || refuses(422, "insufficient_funds");
    log.add(WITHDRAW, "refusal", insufficient(), withdraw::handle(&poster, world.ada, much.0.clone())).await;
    log.add(WITHDRAW, "refusal, named", insufficient(), withdraw::handle(&poster, world.ada, much.1.clone())).await;
}

async fn sends(world: &World, log: &mut Log) {
    const SEND: &str = "POST /payments/send";
    let poster = world.transfers();
    let wish = |amount: i64| json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main", "amount": amount, "note": "Dinner"});
    let (dinner, much) = (named(&wish(2550), "f"), (posting(&wish(1_000_000)), named(&wish(1_000_000), "g")));
    log.add(SEND, "success", answers(201), send::handle(&poster, world.ada, dinner.clone())).await;
    log.add(SEND, "replay", answers(201), send::handle(&poster, world.ada, dinner.clone())).await;
    let insufficient = || refuses(422, "insufficient_funds");
    log.add(SEND, "refusal", insufficient(), send::handle(&poster, world.ada, much.0.clone())).await;
    log.add(SEND, "refusal, named", insufficient(), send::handle(&poster, world.ada, much.1.clone())).await;
    log.add(SEND, "refusal, replayed", insufficient(), send::handle(&poster, world.ada, much.1.clone())).await;
    // As large as a transfer can be: the longest ids, the widest characters.
    let (from, to) = (format!("ada-{}", "x".repeat(60)), format!("ben-{}", "x".repeat(60)));
    world.wallets.open(world.ada, &from, 9_007_199_254_740_991).await;
    world.wallets.open(world.ben, &to, 0).await;
    let widest = json!({
        "fromPaymentAccountId": from, "toPaymentAccountId": to, "amount": 9_007_199_254_740_991_i64,
        "note": "\u{1F389}".repeat(140),
    });
    let widest = named(&widest, &"k".repeat(255));
    log.add(SEND, "success, the largest", answers(201), send::handle(&poster, world.ada, widest.clone())).await;
}

/// A payee whom many pay at once.
async fn shards(world: &World, engine: &Engine, log: &mut Log) {
    let shop = world.wallets.user().await;
    let open = posting(&json!({"paymentAccountType": "DEBIT", "paymentAccountId": "shop", "intakeShards": 8}));
    let opener = world.wallets.opener();
    let sharded = open_account::handle(&opener, shop, open.clone());
    log.add("POST /payments/accounts", "success, with eight shards", answers(201), sharded).await;
    let poster = world.transfers();
    let pay =
        posting(&json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "shop", "amount": 7, "note": "Tea"}));
    engine.raise_transaction_conflicts(1, 2, 3);
    let first = send::handle(&poster, world.ada, pay.clone());
    log.add("POST /payments/send", "success, to a payee found busy", answers(201), first).await;
    let next = send::handle(&poster, world.ada, pay.clone());
    log.add("POST /payments/send", "success, to a payee known to be busy", answers(201), next).await;
    let accounts = list_accounts::handle(world.store(), shop, empty());
    log.add("GET /payments/accounts", "success, with eight shards", answers(200), accounts).await;
    let all = posting(&json!({"paymentAccountId": "shop", "amount": 14}));
    let drawn = withdraw::handle(&poster, shop, all.clone());
    log.add("POST /payments/withdraw", "success, drawing on shards", answers(201), drawn).await;
}

async fn reads(world: &World, log: &mut Log) {
    const HISTORIES: &str = "GET /payments/histories";
    const TRANSFER: &str = "GET /payments/transfers/{id}";
    let poster = world.transfers();
    let mut last = Value::Null;
    for _ in 0..PAGE {
        let body = json!({"fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main", "amount": 1});
        let answer = send::handle(&poster, world.ada, posting(&body)).await.expect("money that moves");
        last = serde_json::from_str(&answer.body).expect("a transfer");
    }
    let asking = |account: &str| {
        let parameters = HashMap::from([("paymentAccountId".to_owned(), account.to_owned())]);
        empty().with_query_string_parameters(parameters)
    };
    let (all, main, others) = (empty(), asking("ada-main"), asking("ben-main"));
    log.add(HISTORIES, "success", answers(200), list_history::handle(world.store(), world.ada, all.clone())).await;
    log.add(
        HISTORIES,
        "success, one account",
        answers(200),
        list_history::handle(world.store(), world.ada, main.clone()),
    )
    .await;
    let unknown = refuses(404, "account_not_found");
    log.add(HISTORIES, "refusal", unknown, list_history::handle(world.store(), world.ada, others.clone())).await;
    let transfer = at(empty(), "id", last["id"].as_str().expect("an id"));
    log.add(TRANSFER, "success", answers(200), get_transfer::handle(world.store(), world.ada, transfer.clone())).await;
    let unknown = refuses(404, "transfer_not_found");
    log.add(TRANSFER, "refusal", unknown, get_transfer::handle(world.store(), somebody(), transfer.clone())).await;
}

fn ask() -> Value {
    json!({
        "amount": 5000, "currency": "USD", "paymentMethod": "MOBILE_MONEY", "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com", "paymentAccountId": "ada-main",
    })
}

async fn collections(world: &World, log: &mut Log) {
    const CREATE: &str = "POST /api/payments";
    const GET: &str = "GET /api/payments/{reference}";
    const STATUS: &str = "POST /api/payments/{reference}/status";
    let desk =
        create_payment::State::from_env(&world.wallets.env, world.store().clone()).expect("a complete environment");
    let asked = named(&ask(), "h");
    let created =
        log.add(CREATE, "success", answers(201), create_payment::handle(&desk, world.ada, asked.clone())).await;
    log.add(CREATE, "replay", answers(201), create_payment::handle(&desk, world.ada, asked.clone())).await;
    let others = posting(&ask());
    let unknown = refuses(404, "account_not_found");
    log.add(CREATE, "refusal", unknown, create_payment::handle(&desk, world.ben, others.clone())).await;
    let created: Value = serde_json::from_str(&created.expect("a payment").body).expect("a payment");
    let reference = created["reference"].as_str().expect("a reference");
    let this = at(empty(), "reference", reference);
    let table = world.store();
    log.add("GET /api/payments", "success", answers(200), list_payments::handle(table, world.ada, empty())).await;
    log.add(GET, "success", answers(200), get_payment::handle(table, world.ada, this.clone())).await;
    log.add(GET, "refusal", refuses(404, "payment_not_found"), get_payment::handle(table, world.ben, this.clone()))
        .await;
    let desk =
        update_payment_status::State::from_env(&world.wallets.env, table.clone()).expect("a complete environment");
    let to = |status: &str| at(posting(&json!({"status": status})), "reference", reference);
    let (pending, success) = (to("PENDING"), to("SUCCESS"));
    let illegal = refuses(400, "invalid_transition");
    log.add(STATUS, "refusal", illegal, update_payment_status::handle(&desk, world.ada, success.clone())).await;
    log.add(STATUS, "success", answers(200), update_payment_status::handle(&desk, world.ada, pending.clone())).await;
    let credits = "success, crediting an account";
    log.add(STATUS, credits, answers(200), update_payment_status::handle(&desk, world.ada, success.clone())).await;
}

/// The secret that the provider shares with us.
struct Shared;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret() -> WebhookSecret {
    WebhookSecret::parse(SECRET).expect("a secret")
}

impl LoadSecrets for Shared {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        Ok(vec![secret()])
    }
}

/// What the provider tells of a payment, signed.
fn told(reference: &str, status: &str, id: &str) -> Request {
    let body = json!({"reference": reference, "status": status, "providerTransactionId": "MTN-884213"});
    let now = SystemClock.now();
    let signature = secret().sign(id, now, body.to_string().as_bytes());
    let headers =
        [(webhook::ID, id), (webhook::TIMESTAMP, &now.unix_seconds().to_string()), (webhook::SIGNATURE, &signature)];
    request(Some(&body), &headers)
}

async fn webhooks(world: &World, log: &mut Log) {
    const WEBHOOK: &str = "POST /api/payments/webhook/provider";
    let desk =
        create_payment::State::from_env(&world.wallets.env, world.store().clone()).expect("a complete environment");
    let created = create_payment::handle(&desk, world.ada, posting(&ask())).await.expect("a payment");
    let created: Value = serde_json::from_str(&created.body).expect("a payment");
    let reference = created["reference"].as_str().expect("a reference");
    let desk = update_payment_status::State::from_env(&world.wallets.env, world.store().clone())
        .expect("a complete environment");
    let pending = at(posting(&json!({"status": "PENDING"})), "reference", reference);
    update_payment_status::handle(&desk, world.ada, pending.clone()).await.expect("a payment that the provider has");

    let secrets = WebhookSecrets::new(Shared);
    secrets.get(SystemClock.now()).await.expect("the secret, loaded as in init");
    let desk = provider_webhook::State { store: world.store().clone(), secrets };
    let success = told(reference, "SUCCESS", "msg-1");
    log.add(WEBHOOK, "success, crediting an account", answers(200), provider_webhook::handle(&desk, success.clone()))
        .await;
    log.add(WEBHOOK, "replay", answers(200), provider_webhook::handle(&desk, success.clone())).await;
    let repeated = told(reference, "SUCCESS", "msg-2");
    log.add(WEBHOOK, "success, nothing new", answers(200), provider_webhook::handle(&desk, repeated.clone())).await;
    let contradiction = told(reference, "FAILED", "msg-3");
    log.add(
        WEBHOOK,
        "success, kept for reconciliation",
        answers(200),
        provider_webhook::handle(&desk, contradiction.clone()),
    )
    .await;
    let reused = told(reference, "FAILED", "msg-1");
    log.add(WEBHOOK, "refusal", refuses(409, "webhook_id_reused"), provider_webhook::handle(&desk, reused.clone()))
        .await;
    let mut forged = told(reference, "SUCCESS", "msg-4");
    forged.headers_mut().remove(webhook::SIGNATURE);
    let forgery = refuses(401, "invalid_signature");
    log.add(WEBHOOK, "refusal, a forgery", forgery, provider_webhook::handle(&desk, forged.clone())).await;
}
