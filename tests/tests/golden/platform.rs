//! Both contexts over in-process tables, with a manual clock and seeded randomness. No other file of the golden tests uses
//! names of the code under test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use account::app::cached_signing_key::CachedSigningKey;
use account::app::change_password::ChangePassword;
use account::app::end_session::EndSession;
use account::app::reauthenticate::Reauthenticate;
use account::app::refresh_session::RefreshSession;
use account::app::sign_in::SignIn;
use account::app::sign_out::SignOut;
use account::app::sign_up::SignUp;
use account::app::token_issuer::TokenIssuer;
use account::app::verify_identifier::{ConfirmVerification, SendVerification};
use account::domain::verification_code::Code;
use account::domain::{AccessTokens, AuditLog, Identifier, Lifetimes};
use account::http as auth_api;
use account::notify::{DeliveryError, SendCode};
use account::ops::{CfnResponseSender, RotateKeys, SetUserStatus, rotate_keys, set_user_status};
use account::store::{AccountTable, AuditTable, KeyTables, SigningKeyTable};
use auth::table_keys::TableKeys;
use auth::{Principal, Verifier};
use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::types::AttributeValue;
use config::Env;
use http_api::{Problem, Request, Response};
use kernel::testing::{ManualClock, SeededRandom};
use kernel::{Clock, Secret, Timestamp};
use lambda_http::RequestExt;
use payment::app::config::Limits;
use payment::app::webhook_secrets::{LoadSecrets, LoadSecretsError, WebhookSecrets};
use payment::http as payment_api;
use payment::ops::open_credit::{OpenCredit, open_credit};
use payment::ops::set_write_shards::{SetShards, set_write_shards};
use payment::store::Store;
use serde_json::{Map, Value, json};
use testkit::Engine;
use webhook::WebhookSecret;

pub(crate) const TABLES: [&str; 4] = ["AccountTable", "SigningKeyTable", "AuditTable", "PaymentTable"];

const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(24),
};
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

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

struct FixedSecret;

impl LoadSecrets for FixedSecret {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        Ok(vec![WebhookSecret::parse(WEBHOOK_SECRET).unwrap()])
    }
}

/// One source of randomness for everything, so that the golden files do not depend on which component draws from it.
type Shared = &'static SeededRandom;

pub(crate) struct Platform {
    engine: Engine,
    pub(crate) clock: ManualClock,
    mailbox: Mailbox,
    accounts: AccountTable,
    verifier: Verifier<TableKeys>,
    sign_up: SignUp,
    sign_in: SignIn,
    refresh: RefreshSession,
    sign_out: SignOut,
    end_session: EndSession,
    change_password: ChangePassword,
    update_me: Reauthenticate,
    send_code: SendVerification<Mailbox>,
    confirm_code: ConfirmVerification,
    set_status: SetUserStatus,
    rotate: RotateKeys,
    store: Store,
    open_credit: OpenCredit,
    open_account: payment_api::open_account::State,
    deposit: payment_api::deposit::State,
    withdraw: payment_api::withdraw::State,
    send: payment_api::send::State,
    create_payment: payment_api::create_payment::State,
    update_payment_status: payment_api::update_payment_status::State,
    webhooks: payment_api::provider_webhook::State<FixedSecret>,
}

fn audit_log() -> AuditLog {
    AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24 * 400))
}

impl Platform {
    /// An empty platform. Rotate the keys before anyone signs in.
    pub(crate) async fn new() -> Self {
        let engine = Engine::start().await;
        for table in TABLES {
            engine.create_table(if table == "PaymentTable" { "payment" } else { "account" }, table);
        }
        let clock = ManualClock::at(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        let client = || engine.client.clone();
        let random: Shared = Box::leak(Box::new(SeededRandom::new(1)));
        let audit = AuditTable::new(client(), "AuditTable");
        let accounts = AccountTable::audited(client(), "AccountTable", clock.clone(), random, audit.clone());
        let issuer = || TokenIssuer {
            signing_key: CachedSigningKey::new(SigningKeyTable::new(client(), "SigningKeyTable"), clock.clone()),
            tokens: AccessTokens::new("issuer", "audience"),
        };
        let verifier = Verifier::new("issuer", "audience", TableKeys::new(client(), "AccountTable"), clock.clone());
        let reauthenticate = || Reauthenticate { accounts: accounts.clone(), audit_log: audit_log() };
        let mailbox = Mailbox::default();
        let store = Store::new(client(), "PaymentTable", clock.clone(), random);
        let env = Env::from_iter([
            ("DEFAULT_CURRENCY", "USD"),
            ("MAX_CREDIT_LIMIT", "100000"),
            ("MAX_LOAN_PRINCIPAL", "100000"),
            ("MAX_ACCOUNTS_PER_USER", "20"),
            ("SELF_DEPOSIT", "enabled"),
            ("SELF_CREDIT", "enabled"),
            ("MAX_CREDIT_PER_USER", "10000000"),
            ("PROVIDER_NAME", "momo"),
        ]);
        Self {
            sign_up: SignUp {
                accounts: accounts.clone(),
                password_policy: "8".parse().unwrap(),
                audit_log: audit_log(),
            },
            sign_in: SignIn {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
                max_sessions: 20,
                audit_log: audit_log(),
            },
            refresh: RefreshSession {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
                audit_log: audit_log(),
            },
            sign_out: SignOut {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
                audit_log: audit_log(),
            },
            end_session: EndSession { accounts: accounts.clone(), audit_log: audit_log() },
            change_password: ChangePassword {
                users: reauthenticate(),
                password_policy: "8".parse().unwrap(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
            },
            update_me: reauthenticate(),
            send_code: SendVerification {
                accounts: accounts.clone(),
                delivery: mailbox.clone(),
                audit_log: audit_log(),
            },
            confirm_code: ConfirmVerification { accounts: accounts.clone(), audit_log: audit_log() },
            set_status: SetUserStatus { accounts: accounts.clone(), audit_log: audit_log() },
            accounts,
            verifier,
            rotate: RotateKeys {
                keys: KeyTables::new(client(), "AccountTable", "SigningKeyTable", audit.clone(), random),
                policy: "30".parse().unwrap(),
                audit_log: audit_log(),
                responses: CfnResponseSender::default(),
                random: Arc::new(random),
                clock: Arc::new(clock.clone()),
            },
            open_credit: OpenCredit { store: store.clone(), limits: Limits::from_env(&env).unwrap() },
            open_account: payment_api::open_account::State::from_env(&env, store.clone()).unwrap(),
            deposit: payment_api::deposit::State::from_env(&env, store.clone()).unwrap(),
            withdraw: payment_api::withdraw::State::from_env(&env, store.clone()).unwrap(),
            send: payment_api::send::State::from_env(&env, store.clone()).unwrap(),
            create_payment: payment_api::create_payment::State::from_env(&env, store.clone()).unwrap(),
            update_payment_status: payment_api::update_payment_status::State::from_env(&env, store.clone()).unwrap(),
            webhooks: payment_api::provider_webhook::State {
                store: store.clone(),
                secrets: WebhookSecrets::new(FixedSecret),
            },
            store,
            mailbox,
            clock,
            engine,
        }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends a request to an endpoint of the account context.
    pub(crate) async fn auth(&self, endpoint: &str, token: Option<&str>, body: &Value, parameter: &str) -> Outcome {
        let mut request = request(body);
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let parameters = |name: &str| HashMap::from([(name.to_owned(), parameter.to_owned())]);
        let request = match endpoint {
            "sign-out" => request.with_query_string_parameters(parameters("scope")),
            "end-session" => request.with_path_parameters(parameters("id")),
            _ => request,
        };
        outcome(self.respond(endpoint, request).await)
    }

    async fn respond(&self, endpoint: &str, request: Request) -> Result<Response, Problem> {
        match endpoint {
            "sign-up" => return auth_api::signup::handle(&self.sign_up, request).await,
            "register" => return auth_api::register::handle(&self.sign_up, request).await,
            "sign-in" => return auth_api::signin::handle(&self.sign_in, request).await,
            "login" => return auth_api::login::handle(&self.sign_in, request).await,
            "refresh" => return auth_api::refresh::handle(&self.refresh, request).await,
            "sign-out" => {
                let principal = account::authenticate_optional(&self.verifier, &request).await?;
                return auth_api::signout::handle(&self.sign_out, principal, request).await;
            }
            _ => {}
        }
        let session = account::authenticate_session(&self.verifier, &self.accounts, &request).await?;
        match endpoint {
            "end-session" => auth_api::end_session::handle(&self.end_session, session, request).await,
            "change-password" => auth_api::change_password::handle(&self.change_password, session, request).await,
            "update-me" => auth_api::update_me::handle(&self.update_me, session, request).await,
            "send-code" => auth_api::send_code::handle(&self.send_code, session, request).await,
            "confirm-code" => auth_api::confirm_code::handle(&self.confirm_code, session, request).await,
            other => panic!("{other}"),
        }
    }

    /// The last verification code that was sent.
    pub(crate) fn code(&self) -> String {
        self.mailbox.0.lock().unwrap().clone()
    }

    pub(crate) async fn rotate_keys(&self, event: Value) -> Value {
        serde_json::to_value(rotate_keys(&self.rotate, event, "rotation-1".to_owned()).await.unwrap()).unwrap()
    }

    pub(crate) async fn set_status(&self, event: Value) -> Value {
        let result = set_user_status(&self.set_status, event, "operator-1".to_owned()).await.unwrap();
        serde_json::to_value(result).unwrap()
    }

    pub(crate) async fn open_credit(&self, event: Value) -> Value {
        let result = open_credit(&self.open_credit, event, "operator-2".to_owned()).await.unwrap();
        serde_json::to_value(result).unwrap()
    }

    pub(crate) async fn set_write_shards(&self, event: Value) -> Value {
        let state = SetShards { store: self.store.clone() };
        let result = set_write_shards(&state, event, "operator-3".to_owned()).await.unwrap();
        serde_json::to_value(result).unwrap()
    }

    /// The principal of a token, as the payment context sees it.
    pub(crate) async fn principal(&self, token: &str) -> Principal {
        let keys = TableKeys::new(self.engine.client.clone(), "AccountTable");
        Verifier::new("issuer", "audience", keys, self.clock.clone()).verify(token).await.unwrap()
    }

    /// Sends a request to an endpoint of the payment context.
    pub(crate) async fn pay(&self, endpoint: &str, principal: Principal, request: Request) -> Outcome {
        outcome(match endpoint {
            "open-account" => payment_api::open_account::handle(&self.open_account, principal, request).await,
            "update-account" => payment_api::update_account::handle(&self.store, principal, request).await,
            "deposit" => payment_api::deposit::handle(&self.deposit, principal, request).await,
            "withdraw" => payment_api::withdraw::handle(&self.withdraw, principal, request).await,
            "send" => payment_api::send::handle(&self.send, principal, request).await,
            "create-payment" => payment_api::create_payment::handle(&self.create_payment, principal, request).await,
            "update-payment-status" => {
                payment_api::update_payment_status::handle(&self.update_payment_status, principal, request).await
            }
            "provider-webhook" => payment_api::provider_webhook::handle(&self.webhooks, request).await,
            other => panic!("{other}"),
        })
    }

    /// Makes the next transaction of `of` items conflict on the item `index`.
    pub(crate) fn conflict_on(&self, index: usize, of: usize) {
        self.engine.raise_transaction_conflicts(1, index, of);
    }

    /// A signed webhook.
    pub(crate) fn webhook(&self, id: &str, body: &Value) -> Request {
        let mut request = request(body);
        let now = self.clock.now();
        let signature = WebhookSecret::parse(WEBHOOK_SECRET).unwrap().sign(id, now, body.to_string().as_bytes());
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
        payment::events::inbound::apply(&self.store, message).await.unwrap();
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
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
        "headers": {"content-type": "application/json", "user-agent": "golden/1.0"},
        "requestContext": {
            "accountId": "123456789012",
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=", "stage": "$default", "timeEpoch": 1_769_860_800_000_i64,
        },
        "body": body.to_string(), "isBase64Encoded": false,
    });
    lambda_http::request::from_str(&event.to_string()).unwrap()
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
