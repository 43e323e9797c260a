//! The functions of both contexts, called by route. The rejection of unknown query parameters, which precedes each, is left
//! out.

#![expect(clippy::expect_used, clippy::panic, reason = "only tests use the functions")]

use std::sync::Arc;
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
use account::ops::{CfnResponseSender, RotateKeys, SetUserStatus};
use account::store::{AccountTable, AuditTable, KeyTables, SigningKeyTable};
use auth::table_keys::TableKeys;
use auth::{Principal, Verifier};
use aws_sdk_dynamodb::Client;
use config::Env;
use http_api::{Problem, Request, Response};
use kernel::{Clock, Random, Secret};
use payment::app::audit_ledger::INDEX_DELAY;
use payment::app::config::{Limits, RequireVerified};
use payment::app::webhook_secrets::{LoadSecrets, LoadSecretsError, WebhookSecrets};
use payment::domain::WriteShards;
use payment::http as payment_api;
use payment::ops::audit_ledger::AuditLedger;
use payment::ops::open_credit::OpenCredit;
use payment::ops::set_account_status::SetAccountStatus;
use payment::ops::set_write_shards::SetShards;
use payment::store::Store;
use serde_json::{Value, json};
use webhook::WebhookSecret;

pub const ACCOUNT_TABLE: &str = "AccountTable";
pub const AUDIT_TABLE: &str = "AuditTable";
pub const PAYMENT_TABLE: &str = "PaymentTable";
pub const SIGNING_KEY_TABLE: &str = "SigningKeyTable";

/// The tables with the nested stack of each.
pub const TABLES: [(&str, &str); 4] =
    [("account", ACCOUNT_TABLE), ("account", SIGNING_KEY_TABLE), ("account", AUDIT_TABLE), ("payment", PAYMENT_TABLE)];

pub const ISSUER: &str = "issuer";
pub const AUDIENCE: &str = "audience";

/// The routes of [`AccountFunctions::respond`].
pub const ACCOUNT_ROUTES: [&str; 14] = [
    "DELETE /auth/sessions/{id}",
    "GET /api/auth/validate",
    "GET /auth/me",
    "GET /auth/sessions",
    "PATCH /auth/me",
    "POST /api/auth/login",
    "POST /api/auth/register",
    "POST /auth/password",
    "POST /auth/refresh",
    "POST /auth/signin",
    "POST /auth/signout",
    "POST /auth/signup",
    "POST /auth/verifications",
    "POST /auth/verifications/confirm",
];

/// The routes of [`PaymentFunctions::respond`].
pub const PAYMENT_ROUTES: [&str; 13] = [
    "GET /api/payments",
    "GET /api/payments/{reference}",
    "GET /payments/accounts",
    "GET /payments/histories",
    "GET /payments/transfers/{id}",
    "PATCH /payments/accounts/{id}",
    "POST /api/payments",
    "POST /api/payments/webhook/provider",
    "POST /api/payments/{reference}/status",
    "POST /payments/accounts",
    "POST /payments/deposit",
    "POST /payments/send",
    "POST /payments/withdraw",
];

/// The settings in which the tests differ.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub lifetimes: Lifetimes,
    pub max_sessions: usize,
    /// `SIGNING_KEY_DAYS`
    pub signing_key_days: &'static str,
    /// `MAX_ACCOUNTS_PER_USER`
    pub max_accounts: &'static str,
    pub auto_shards: Option<WriteShards>,
    /// The table from which the payment context reads the public keys: the account context's, where no event carries them.
    pub payment_keys: &'static str,
}

impl Settings {
    pub const DEFAULT: Self = Self {
        lifetimes: Lifetimes {
            access_token: Duration::from_mins(15),
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(24),
        },
        max_sessions: 20,
        signing_key_days: "30",
        max_accounts: "20",
        auto_shards: None,
        payment_keys: ACCOUNT_TABLE,
    };
}

/// What the functions use in place of AWS and of the machine.
#[derive(Debug, Clone)]
pub struct Services<C, R> {
    pub client: Client,
    pub clock: C,
    pub random: R,
}

/// The functions of the account context.
pub struct AccountFunctions<D> {
    pub accounts: AccountTable,
    pub verifier: Verifier<TableKeys>,
    sign_up: SignUp,
    sign_in: SignIn,
    refresh: RefreshSession,
    sign_out: SignOut,
    end_session: EndSession,
    change_password: ChangePassword,
    update_me: Reauthenticate,
    send_code: SendVerification<D>,
    confirm_code: ConfirmVerification,
    validate: auth_api::validate::State,
    pub set_status: SetUserStatus,
    pub rotate: RotateKeys,
}

impl<D: SendCode + Send + Sync + 'static> AccountFunctions<D> {
    /// # Panics
    ///
    /// If a setting is invalid.
    pub fn new<C, R>(services: &Services<C, R>, delivery: D, settings: Settings) -> Self
    where
        C: Clock + Clone + Send + Sync + 'static,
        R: Random + Clone + Send + Sync + 'static,
    {
        let Settings { lifetimes, max_sessions, .. } = settings;
        let client = || services.client.clone();
        let (clock, random) = (|| services.clock.clone(), || services.random.clone());
        let audit = AuditTable::new(client(), AUDIT_TABLE);
        let audit_log = || AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24 * 400));
        let accounts = AccountTable::audited(client(), ACCOUNT_TABLE, clock(), random(), audit.clone());
        let issuer = || TokenIssuer {
            signing_key: CachedSigningKey::new(SigningKeyTable::new(client(), SIGNING_KEY_TABLE), clock()),
            tokens: AccessTokens::new(ISSUER, AUDIENCE),
        };
        let verifier = || Verifier::new(ISSUER, AUDIENCE, TableKeys::new(client(), ACCOUNT_TABLE), clock());
        let reauthenticate = || Reauthenticate { accounts: accounts.clone(), audit_log: audit_log() };
        let password_policy = || "8".parse().expect("a valid policy");
        Self {
            verifier: verifier(),
            validate: auth_api::validate::State { verifier: verifier(), accounts: accounts.clone() },
            sign_up: SignUp { accounts: accounts.clone(), password_policy: password_policy(), audit_log: audit_log() },
            sign_in: SignIn {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes,
                max_sessions,
                audit_log: audit_log(),
            },
            refresh: RefreshSession { accounts: accounts.clone(), issuer: issuer(), lifetimes, audit_log: audit_log() },
            sign_out: SignOut { accounts: accounts.clone(), issuer: issuer(), lifetimes, audit_log: audit_log() },
            end_session: EndSession { accounts: accounts.clone(), audit_log: audit_log() },
            change_password: ChangePassword {
                users: reauthenticate(),
                password_policy: password_policy(),
                issuer: issuer(),
                lifetimes,
            },
            update_me: reauthenticate(),
            send_code: SendVerification { accounts: accounts.clone(), delivery, audit_log: audit_log() },
            confirm_code: ConfirmVerification { accounts: accounts.clone(), audit_log: audit_log() },
            set_status: SetUserStatus { accounts: accounts.clone(), audit_log: audit_log() },
            rotate: RotateKeys {
                keys: KeyTables::new(client(), ACCOUNT_TABLE, SIGNING_KEY_TABLE, audit, random()),
                policy: settings.signing_key_days.parse().expect("a valid policy"),
                audit_log: audit_log(),
                responses: CfnResponseSender::default(),
                random: Arc::new(random()),
                clock: Arc::new(clock()),
            },
            accounts,
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// The problem that the function returns.
    ///
    /// # Panics
    ///
    /// If the account context has no such route.
    pub async fn respond(&self, route: &str, request: Request) -> Result<Response, Problem> {
        match route {
            "POST /auth/signup" => auth_api::signup::handle(&self.sign_up, request).await,
            "POST /api/auth/register" => auth_api::register::handle(&self.sign_up, request).await,
            "POST /auth/signin" => auth_api::signin::handle(&self.sign_in, request).await,
            "POST /api/auth/login" => auth_api::login::handle(&self.sign_in, request).await,
            "POST /auth/refresh" => auth_api::refresh::handle(&self.refresh, request).await,
            "GET /api/auth/validate" => auth_api::validate::handle(&self.validate, request).await,
            "POST /auth/signout" => {
                let principal = account::authenticate_optional(&self.verifier, &request).await?;
                auth_api::signout::handle(&self.sign_out, principal, request).await
            }
            "GET /auth/sessions" => {
                let principal = http_api::authenticate(&self.verifier, &request).await?;
                auth_api::list_sessions::handle(&self.accounts, principal, request).await
            }
            _ => Box::pin(self.respond_in_session(route, request)).await,
        }
    }

    async fn respond_in_session(&self, route: &str, request: Request) -> Result<Response, Problem> {
        let session = account::authenticate_session(&self.verifier, &self.accounts, &request).await?;
        match route {
            "DELETE /auth/sessions/{id}" => auth_api::end_session::handle(&self.end_session, session, request).await,
            "GET /auth/me" => auth_api::me::handle(&auth_api::me::State, session, request).await,
            "PATCH /auth/me" => Box::pin(auth_api::update_me::handle(&self.update_me, session, request)).await,
            "POST /auth/password" => {
                Box::pin(auth_api::change_password::handle(&self.change_password, session, request)).await
            }
            "POST /auth/verifications" => auth_api::send_code::handle(&self.send_code, session, request).await,
            "POST /auth/verifications/confirm" => {
                auth_api::confirm_code::handle(&self.confirm_code, session, request).await
            }
            other => panic!("no route {other}"),
        }
    }
}

/// A request as API Gateway sends it. What the route is taken from, and its parameters, are up to the caller.
///
/// # Panics
///
/// Never: the event is valid.
pub fn gateway_request(user_agent: &str, body: Option<&Value>) -> Request {
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
        "headers": {"content-type": "application/json", "user-agent": user_agent},
        "requestContext": {
            "accountId": "123456789012",
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=", "stage": "$default", "timeEpoch": 1_769_860_800_000_i64,
        },
        "body": body.map(Value::to_string), "isBase64Encoded": false,
    });
    lambda_http::request::from_str(&event.to_string()).expect("a valid event")
}

/// Sends no codes.
#[derive(Debug, Clone, Copy)]
pub struct NoDelivery;

impl SendCode for NoDelivery {
    async fn send_code(&self, _to: &Identifier, _code: &Code) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// The provider's secret.
///
/// # Panics
///
/// Never: it is valid.
pub fn webhook_secret() -> WebhookSecret {
    WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a valid secret")
}

struct FixedSecret;

impl LoadSecrets for FixedSecret {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        Ok(vec![webhook_secret()])
    }
}

/// The functions of the payment context.
pub struct PaymentFunctions {
    pub store: Store,
    pub verifier: Verifier<TableKeys>,
    open_account: payment_api::open_account::State,
    deposit: payment_api::deposit::State,
    withdraw: payment_api::withdraw::State,
    send: payment_api::send::State,
    create_payment: payment_api::create_payment::State,
    update_payment_status: payment_api::update_payment_status::State,
    webhooks: payment_api::provider_webhook::State<FixedSecret>,
    pub open_credit: OpenCredit,
    pub set_shards: SetShards,
    pub set_status: SetAccountStatus,
    pub audit: AuditLedger,
}

impl PaymentFunctions {
    /// # Panics
    ///
    /// If a setting is invalid.
    pub fn new<C, R>(services: &Services<C, R>, settings: Settings) -> Self
    where
        C: Clock + Clone + Send + Sync + 'static,
        R: Random + Clone + Send + Sync + 'static,
    {
        let Services { client, clock, random } = services;
        let keys = TableKeys::new(client.clone(), settings.payment_keys);
        let store = Store::new(client.clone(), PAYMENT_TABLE, clock.clone(), random.clone());
        let env = Env::from_iter([
            ("DEFAULT_CURRENCY", "USD"),
            ("MAX_ACCOUNTS_PER_USER", settings.max_accounts),
            ("MAX_CREDIT_LIMIT", "100000"),
            ("MAX_CREDIT_PER_USER", "10000000"),
            ("MAX_LOAN_PRINCIPAL", "100000"),
            ("PROVIDER_NAME", "momo"),
            ("SELF_CREDIT", "enabled"),
            ("SELF_DEPOSIT", "enabled"),
        ]);
        Self {
            verifier: Verifier::new(ISSUER, AUDIENCE, keys, clock.clone()),
            open_account: payment_api::open_account::State::from_env(&env, store.clone()).expect("valid settings"),
            deposit: payment_api::deposit::State::from_env(&env, store.clone()).expect("valid settings"),
            withdraw: payment_api::withdraw::State::from_env(&env, store.clone()).expect("valid settings"),
            send: payment_api::send::State::from_env(&env, store.clone().with_auto_shards(settings.auto_shards))
                .expect("valid settings"),
            create_payment: payment_api::create_payment::State::from_env(&env, store.clone()).expect("valid settings"),
            update_payment_status: payment_api::update_payment_status::State::from_env(&env, store.clone())
                .expect("valid settings"),
            webhooks: payment_api::provider_webhook::State {
                store: store.clone(),
                secrets: WebhookSecrets::new(FixedSecret),
            },
            open_credit: OpenCredit { store: store.clone(), limits: Limits::from_env(&env).expect("valid settings") },
            set_shards: SetShards { store: store.clone() },
            set_status: SetAccountStatus { store: store.clone() },
            audit: AuditLedger { store: store.clone(), index_delay: INDEX_DELAY },
            store,
        }
    }

    /// Answers a request. `admitted` is called with the principal of an authenticated one, before it is handled.
    ///
    /// # Errors
    ///
    /// The problem that the function returns.
    ///
    /// # Panics
    ///
    /// If the payment context has no such route.
    pub async fn respond(
        &self,
        route: &str,
        request: Request,
        admitted: impl FnOnce(Principal),
    ) -> Result<Response, Problem> {
        if route == "POST /api/payments/webhook/provider" {
            return payment_api::provider_webhook::handle(&self.webhooks, request).await;
        }
        let principal = payment::authenticate_user(&self.verifier, RequireVerified::None, &request).await?;
        admitted(principal);
        self.respond_to(principal, route, request).await
    }

    /// Answers a request of an authenticated user.
    ///
    /// # Errors
    ///
    /// The problem that the function returns.
    ///
    /// # Panics
    ///
    /// If the payment context has no such route.
    pub async fn respond_to(&self, principal: Principal, route: &str, request: Request) -> Result<Response, Problem> {
        match route {
            "GET /api/payments" => payment_api::list_payments::handle(&self.store, principal, request).await,
            "GET /api/payments/{reference}" => payment_api::get_payment::handle(&self.store, principal, request).await,
            "GET /payments/accounts" => payment_api::list_accounts::handle(&self.store, principal, request).await,
            "GET /payments/histories" => payment_api::list_history::handle(&self.store, principal, request).await,
            "GET /payments/transfers/{id}" => payment_api::get_transfer::handle(&self.store, principal, request).await,
            "PATCH /payments/accounts/{id}" => {
                payment_api::update_account::handle(&self.store, principal, request).await
            }
            "POST /api/payments" => payment_api::create_payment::handle(&self.create_payment, principal, request).await,
            "POST /api/payments/{reference}/status" => {
                payment_api::update_payment_status::handle(&self.update_payment_status, principal, request).await
            }
            "POST /payments/accounts" => {
                payment_api::open_account::handle(&self.open_account, principal, request).await
            }
            "POST /payments/deposit" => payment_api::deposit::handle(&self.deposit, principal, request).await,
            "POST /payments/send" => payment_api::send::handle(&self.send, principal, request).await,
            "POST /payments/withdraw" => payment_api::withdraw::handle(&self.withdraw, principal, request).await,
            other => panic!("no route {other}"),
        }
    }
}
