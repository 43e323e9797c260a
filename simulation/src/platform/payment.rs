//! The functions of the payment context.

use auth::table_keys::TableKeys;
use auth::{Principal, Verifier};
use config::Env;
use http_api::{Problem, Response, authenticate};
use kernel::Clock;
use payment::app::audit_ledger::INDEX_DELAY;
use payment::app::webhook_secrets::{LoadSecrets, LoadSecretsError, WebhookSecrets};
use payment::domain::WriteShards;
use payment::http;
use payment::ops::audit_ledger::{AuditLedger, audit_ledger};
use payment::store::Store;
use serde_json::Value;
use webhook::WebhookSecret;

use super::account::{AUDIENCE, ISSUER};
use super::{Answer, Ask, Clients};
use crate::clock::SkewedClock;
use crate::random::TaskRandom;
use crate::tables::PAYMENT_TABLE;

const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct FixedSecret;

impl LoadSecrets for FixedSecret {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        Ok(vec![secret()])
    }
}

fn secret() -> WebhookSecret {
    WebhookSecret::parse(WEBHOOK_SECRET).expect("a valid secret")
}

/// The headers of a webhook that the provider signs.
pub(crate) fn webhook_headers(id: &str, body: &Value, clock: &impl Clock) -> Vec<(&'static str, String)> {
    let now = clock.now();
    let signature = secret().sign(id, now, body.to_string().as_bytes());
    vec![
        (webhook::ID, id.to_owned()),
        (webhook::TIMESTAMP, now.unix_seconds().to_string()),
        (webhook::SIGNATURE, signature),
    ]
}

pub(crate) struct PaymentFunctions {
    pub(crate) store: Store,
    verifier: Verifier<TableKeys>,
    open_account: http::open_account::State,
    deposit: http::deposit::State,
    withdraw: http::withdraw::State,
    send: http::send::State,
    create_payment: http::create_payment::State,
    update_payment_status: http::update_payment_status::State,
    webhooks: http::provider_webhook::State<FixedSecret>,
    audit: AuditLedger,
}

impl PaymentFunctions {
    pub(crate) fn new(clients: &Clients, seed: u64, clock: &SkewedClock) -> Self {
        let client = clients.client(seed);
        let keys = TableKeys::new(client.clone(), PAYMENT_TABLE);
        let store = Store::new(client, PAYMENT_TABLE, clock.clone(), TaskRandom);
        let store = store.with_auto_shards(WriteShards::new(2).ok());
        let env = Env::from_iter([
            ("DEFAULT_CURRENCY", "USD"),
            ("MAX_CREDIT_LIMIT", "100000"),
            ("MAX_LOAN_PRINCIPAL", "100000"),
            ("MAX_ACCOUNTS_PER_USER", "4"),
            ("SELF_DEPOSIT", "enabled"),
            ("SELF_CREDIT", "enabled"),
            ("MAX_CREDIT_PER_USER", "10000000"),
            ("PROVIDER_NAME", "momo"),
        ]);
        Self {
            verifier: Verifier::new(ISSUER, AUDIENCE, keys, clock.clone()),
            open_account: http::open_account::State::from_env(&env, store.clone()).expect("complete settings"),
            deposit: http::deposit::State::from_env(&env, store.clone()).expect("complete settings"),
            withdraw: http::withdraw::State::from_env(&env, store.clone()).expect("complete settings"),
            send: http::send::State::from_env(&env, store.clone()).expect("complete settings"),
            create_payment: http::create_payment::State::from_env(&env, store.clone()).expect("complete settings"),
            update_payment_status: http::update_payment_status::State::from_env(&env, store.clone())
                .expect("complete settings"),
            audit: AuditLedger { store: store.clone(), index_delay: INDEX_DELAY },
            webhooks: http::provider_webhook::State { store: store.clone(), secrets: WebhookSecrets::new(FixedSecret) },
            store,
        }
    }

    /// Audits the ledger. Returns the findings.
    pub(crate) async fn audit_ledger(&self, event: Value) -> Result<Vec<String>, String> {
        let audited = audit_ledger(&self.audit, event, "schedule".to_owned()).await;
        let findings = audited.map_err(|error| error.to_string())?.findings;
        Ok(findings.iter().map(|finding| format!("{finding:?}")).collect())
    }

    /// Answers a request. `admitted` is called with the principal of an authenticated one, before it is handled.
    pub(crate) async fn handle(&self, ask: &Ask, admitted: impl FnOnce(Principal)) -> Answer {
        self.respond(ask, admitted).await.into()
    }

    async fn respond(&self, ask: &Ask, admitted: impl FnOnce(Principal)) -> Result<Response, Problem> {
        let request = ask.request();
        if ask.endpoint == "provider-webhook" {
            return http::provider_webhook::handle(&self.webhooks, request).await;
        }
        let principal = authenticate(&self.verifier, &request).await?;
        admitted(principal);
        match ask.endpoint {
            "open-account" => http::open_account::handle(&self.open_account, principal, request).await,
            "update-account" => http::update_account::handle(&self.store, principal, request).await,
            "deposit" => http::deposit::handle(&self.deposit, principal, request).await,
            "withdraw" => http::withdraw::handle(&self.withdraw, principal, request).await,
            "send" => http::send::handle(&self.send, principal, request).await,
            "create-payment" => http::create_payment::handle(&self.create_payment, principal, request).await,
            "update-payment-status" => {
                http::update_payment_status::handle(&self.update_payment_status, principal, request).await
            }
            "list-accounts" => http::list_accounts::handle(&self.store, principal, request).await,
            "histories" => http::list_history::handle(&self.store, principal, request).await,
            "get-transfer" => http::get_transfer::handle(&self.store, principal, request).await,
            "get-payment" => http::get_payment::handle(&self.store, principal, request).await,
            other => unreachable!("{other}"),
        }
    }
}
