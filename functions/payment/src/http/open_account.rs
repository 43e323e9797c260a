//! `POST /payments/accounts`: opens a DEBIT, CREDIT or LOAN account.

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use kernel::{Amount, Currency};
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::dto::{AccountBody, Count, MinorUnits};
use super::idempotency::{created, omit_default, operation_context};
use super::problems::{self, PartyFields};
use super::transfers::creation;
use super::{WALLET, examples};
use crate::app::config::{Limits, SelfCredit, SelfDeposit};
use crate::app::open_account::{NewAccountParams, open_account};
use crate::domain::{AccountType, NewAccount, PaymentAccountId, WriteShards};
use crate::store::Store;

/// The fields of the parties of a loan's disbursement.
const FIELDS: PartyFields = PartyFields { from: "principal", to: "disburseTo" };

/// A new account.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OpenAccount)]
pub(super) struct Body {
    payment_account_type: AccountType,
    /// A unique id of your choice. The default is a generated id.
    #[schema(value_type = Option<PaymentAccountId>)]
    payment_account_id: Option<String>,
    /// The currency of the account. The default is the deployment's currency.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    /// DEBIT only: an opening deposit, if the deployment enables self-service deposits.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance: Option<MinorUnits>,
    /// DEBIT only: the number of write shards, which let the account receive concurrent transfers. Receiving a transfer
    /// costs the same. A debit that exceeds the balance outside the shards takes two more round trips.
    #[serde(rename = "intakeShards", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 16)]
    write_shards: Option<Count>,
    /// CREDIT only: the credit limit. The default is the maximum.
    #[schema(value_type = Option<Amount>)]
    credit_limit: Option<MinorUnits>,
    /// LOAN only, required: the principal.
    #[schema(value_type = Option<Amount>)]
    principal: Option<MinorUnits>,
    /// LOAN only, required: one of your DEBIT accounts, which receives the principal.
    #[schema(value_type = Option<PaymentAccountId>)]
    disburse_to: Option<String>,
}

#[derive(Debug, Clone)]
pub struct State {
    store: Store,
    /// The currency of a request that names none.
    default_currency: Currency,
    limits: Limits,
    self_deposit: SelfDeposit,
    self_credit: SelfCredit,
}

impl State {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or invalid.
    pub fn from_env(env: &Env, store: Store) -> Result<Self, ConfigError> {
        Ok(Self {
            store,
            default_currency: env.read("DEFAULT_CURRENCY", Currency::parse)?,
            limits: Limits::from_env(env)?,
            self_deposit: env.parsed("SELF_DEPOSIT")?,
            self_credit: env.parsed("SELF_CREDIT")?,
        })
    }
}

/// # Errors
///
/// A [`Problem`] if the request is invalid, or the account can't be opened.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let mut body: Body = json_body(&request)?;
    let params = parse(&body, state)?;
    for id in [&mut body.payment_account_id, &mut body.disburse_to].into_iter().flatten() {
        id.make_ascii_lowercase();
    }
    omit_default(&mut body.currency, state.default_currency);
    params.check_self_service(state.self_deposit, state.self_credit)?;
    params.check(&state.limits)?;
    let context = operation_context(&state.store, &principal, &request, "open-account", &body)?;
    let keyed = context.request.fingerprint.is_some();
    let opened = open_account(&state.store, context, params, &state.limits, None).await;
    let opened = opened.map_err(|error| problems::creation_problem(&error, FIELDS, keyed))?;
    created(&AccountBody::from(&opened.value), opened.replayed)
}

fn parse(body: &Body, state: &State) -> Result<NewAccountParams, Problem> {
    let mut fields = FieldErrors::default();
    let id = body.payment_account_id.as_deref().map(PaymentAccountId::parse);
    let id = fields.read_optional("paymentAccountId", id);
    let currency = fields.read_optional("currency", body.currency.as_deref().map(Currency::parse));
    let new = parse_new_account(body, &state.limits, &mut fields);
    let (Some(id), Some(currency), Some(new), true) = (id, currency, new, fields.is_empty()) else {
        return Err(fields.problem());
    };
    Ok(NewAccountParams { id, currency: currency.unwrap_or(state.default_currency), new })
}

fn parse_new_account(body: &Body, limits: &Limits, fields: &mut FieldErrors) -> Option<NewAccount> {
    use AccountType::{Credit, Debit, Loan};
    let kind = body.payment_account_type;
    let sent = [
        ("balance", body.balance.is_some(), Debit),
        ("intakeShards", body.write_shards.is_some(), Debit),
        ("creditLimit", body.credit_limit.is_some(), Credit),
        ("principal", body.principal.is_some(), Loan),
        ("disburseTo", body.disburse_to.is_some(), Loan),
    ];
    for (field, _, only) in sent.into_iter().filter(|(_, sent, only)| *sent && *only != kind) {
        fields.push(field, format!("is for {only} accounts only"));
    }
    let amount = |minor: MinorUnits| Amount::from_minor(minor.0);
    match kind {
        // A balance of zero opens the account without a deposit.
        Debit => {
            let deposit = body.balance.filter(|balance| balance.0 != 0).map(amount);
            let deposit = fields.read_optional("balance", deposit);
            let write_shards =
                fields.read_optional("intakeShards", body.write_shards.map(|count| WriteShards::new(count.0)));
            Some(NewAccount::Debit { deposit: deposit?, write_shards: write_shards? })
        }
        Credit => {
            let limit = fields.read_optional("creditLimit", body.credit_limit.map(amount))?;
            Some(NewAccount::Credit { limit: limit.unwrap_or(limits.max_credit_limit) })
        }
        Loan => {
            let principal = fields.read(
                "principal",
                body.principal
                    .map_or(Err(MISSING.to_owned()), |minor| amount(minor).map_err(|error| error.to_string())),
            );
            let disburse_to = fields.read(
                "disburseTo",
                body.disburse_to.as_deref().map_or(Err(MISSING.to_owned()), |id| {
                    PaymentAccountId::parse(id).map_err(|error| error.to_string())
                }),
            );
            Some(NewAccount::Loan { principal: principal?, disburse_to: disburse_to? })
        }
    }
}

const MISSING: &str = "is required for a LOAN account";

pub(super) fn describe() -> Endpoint {
    creation(Endpoint::new("post", "/payments/accounts", WALLET, "openAccount", "Open a payment account"))
        .description(
            "The balance of a DEBIT account is never negative; that of a CREDIT account is at least minus its credit limit. A \
             LOAN account opens with a balance of minus the principal, which is disbursed to a DEBIT account of yours, and \
             receives money until its balance is zero.",
        )
        .request_body::<Body>(&[
            ("debit", json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ada-main", "balance": 10_000})),
            ("credit", json!({"paymentAccountType": "CREDIT", "currency": "USD", "creditLimit": 50_000})),
            ("loan", json!({"paymentAccountType": "LOAN", "principal": 100_000, "disburseTo": "ada-main"})),
        ])
        .response::<AccountBody<'_>>(201, "The opened account.", &examples::account())
        .problems(problems::ACCOUNT_PROBLEMS)
        .problems(&[
            &problems::ACCOUNT_ID_TAKEN,
            &problems::SAME_ACCOUNT,
            &problems::WRONG_ACCOUNT_TYPE,
            &problems::LIMIT_EXCEEDED,
            &problems::HEADROOM_EXCEEDED,
            &problems::SELF_DEPOSIT_DISABLED,
            &problems::SELF_CREDIT_DISABLED,
            &problems::USER_NOT_SYNCED,
        ])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::IdempotentRequest;
    use crate::testing::{TestApp, TestUser, account_key, body_of, keyed_request, pointers, request, usd};

    struct Scene {
        app: TestApp,
        ada: TestUser,
    }

    impl Scene {
        async fn new() -> Self {
            let app = TestApp::new().await;
            let ada = app.user().await;
            Self { app, ada }
        }

        fn state(&self, self_deposit: SelfDeposit) -> State {
            State {
                store: self.app.store.clone(),
                default_currency: usd(),
                limits: Limits {
                    max_credit_limit: Amount::from_minor(500).unwrap(),
                    max_loan_principal: Amount::from_minor(1000).unwrap(),
                    max_credit_per_user: Amount::from_minor(5000).unwrap(),
                    max_accounts_per_user: 10,
                },
                self_deposit,
                self_credit: SelfCredit::Enabled,
            }
        }

        async fn send(&self, request: Request) -> Result<Response, Problem> {
            handle(&self.state(SelfDeposit::Enabled), self.ada.principal(), request).await
        }

        async fn open(&self, body: Value) -> Value {
            let response = self.send(request(&body)).await.unwrap();
            assert_eq!(response.status, 201);
            body_of(&response)
        }

        /// The stored transfers.
        async fn transfers(&self) -> Vec<dynamo::Item> {
            let items = self.app.items().await;
            items.into_iter().filter(|item| item["sk"].as_s().unwrap() == "TRANSFER").collect()
        }
    }

    #[tokio::test]
    async fn account_id_is_generated_unless_one_is_chosen() {
        let scene = Scene::new().await;
        let body = scene.open(json!({"paymentAccountType": "DEBIT"})).await;
        assert_eq!(body["id"], body["paymentAccountId"]);
        assert_eq!((&body["currency"], &body["balance"]), (&json!("USD"), &json!(0)));
        let body = scene.open(json!({"paymentAccountType": "DEBIT", "paymentAccountId": "main"})).await;
        assert_eq!(body["paymentAccountId"], "main");
    }

    #[tokio::test]
    async fn opening_balance_is_posted_as_a_deposit() {
        let scene = Scene::new().await;
        scene.open(json!({"paymentAccountType": "DEBIT", "balance": 0})).await;
        assert!(scene.transfers().await.is_empty());
        let body = scene.open(json!({"paymentAccountType": "DEBIT", "balance": 70})).await;
        assert_eq!((&body["balance"], &body["available"]), (&json!(70), &json!(70)));
        let transfers = scene.transfers().await;
        assert_eq!(transfers.len(), 1);
        assert_eq!((&transfers[0]["amount"], &transfers[0]["type"]), (&dynamo::number(70), &dynamo::text("DEPOSIT")));
    }

    #[tokio::test]
    async fn self_credit_disabled_rejects_credit_and_loan() {
        let scene = Scene::new().await;
        let state = State { self_credit: SelfCredit::Disabled, ..scene.state(SelfDeposit::Enabled) };
        for body in [
            json!({"paymentAccountType": "CREDIT", "creditLimit": 5}),
            json!({"paymentAccountType": "LOAN", "principal": 5, "disburseTo": "main"}),
        ] {
            let problem = handle(&state, scene.ada.principal(), request(&body)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, problem.problem_type.code), (403, "self_credit_disabled"));
        }
        let debit = json!({"paymentAccountType": "DEBIT"});
        assert_eq!(handle(&state, scene.ada.principal(), request(&debit)).await.unwrap().status, 201);
    }

    #[tokio::test]
    async fn write_shards_are_opened_only_if_requested() {
        let scene = Scene::new().await;
        let body =
            scene.open(json!({"paymentAccountType": "DEBIT", "paymentAccountId": "shop", "intakeShards": 8})).await;
        assert_eq!(body["intakeShards"], json!(8));
        assert_eq!(scene.app.item(account_key("shop")).await.unwrap()["intakeShards"], dynamo::number(8));
        let body = scene.open(json!({"paymentAccountType": "DEBIT"})).await;
        assert_eq!(body.get("intakeShards"), None);
    }

    /// The ids and fingerprints of requests from before write shards existed stay valid.
    #[tokio::test]
    async fn request_without_shards_keeps_its_former_fingerprint() {
        #[derive(Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Former {
            payment_account_type: &'static str,
            payment_account_id: Option<String>,
            currency: Option<String>,
            balance: Option<i64>,
            credit_limit: Option<i64>,
            principal: Option<i64>,
            disburse_to: Option<String>,
        }
        let scene = Scene::new().await;
        scene.send(keyed_request(&json!({"paymentAccountType": "CREDIT"}), "k")).await.unwrap();
        let former = Former { payment_account_type: "CREDIT", ..Former::default() };
        let former = IdempotentRequest::keyed(scene.ada.id, "open-account", "k", &former).unwrap();
        let stored =
            scene.app.item(dynamo::key(format_args!("IDEMPOTENCY#{}", former.id), "IDEMPOTENCY")).await.unwrap();
        let former = dynamo::to_item(json!({"fingerprint": former.fingerprint})).unwrap();
        assert_eq!(stored["fingerprint"], former["fingerprint"]);
    }

    #[tokio::test]
    async fn credit_limit_defaults_to_the_maximum() {
        let scene = Scene::new().await;
        let body = scene.open(json!({"paymentAccountType": "CREDIT", "creditLimit": 200})).await;
        assert_eq!((&body["balance"], &body["available"]), (&json!(0), &json!(200)));
        let body = scene.open(json!({"paymentAccountType": "CREDIT"})).await;
        assert_eq!(body["available"], json!(500));
    }

    #[tokio::test]
    async fn loan_opens_with_a_debt_and_is_disbursed() {
        let scene = Scene::new().await;
        scene.open(json!({"paymentAccountType": "DEBIT", "paymentAccountId": "main"})).await;
        let body = scene.open(json!({"paymentAccountType": "LOAN", "principal": 900, "disburseTo": "main"})).await;
        assert_eq!((&body["balance"], &body["available"]), (&json!(-900), &json!(0)));
        let transfers = scene.transfers().await;
        assert_eq!(transfers[0]["to"], dynamo::text("main"));
        assert_eq!(transfers[0]["from"], dynamo::text(body["id"].as_str().unwrap()));
        assert_eq!(scene.app.balance(scene.ada, "main").await, 900);
    }

    #[tokio::test]
    async fn field_of_another_account_type_is_reported() {
        let scene = Scene::new().await;
        for (body, expected) in [
            (json!({"paymentAccountType": "DEBIT", "creditLimit": 1}), vec!["/creditLimit"]),
            (json!({"paymentAccountType": "DEBIT", "balance": -1}), vec!["/balance"]),
            (json!({"paymentAccountType": "DEBIT", "intakeShards": 0}), vec!["/intakeShards"]),
            (
                json!({"paymentAccountType": "DEBIT", "intakeShards": 17, "balance": -1}),
                vec!["/balance", "/intakeShards"],
            ),
            (json!({"paymentAccountType": "DEBIT", "intakeShards": 1.5}), vec!["/intakeShards"]),
            (json!({"paymentAccountType": "CREDIT", "intakeShards": 2}), vec!["/intakeShards"]),
            (json!({"paymentAccountType": "CREDIT", "balance": 1}), vec!["/balance"]),
            (json!({"paymentAccountType": "LOAN"}), vec!["/principal", "/disburseTo"]),
            (json!({"paymentAccountType": "SAVINGS"}), vec!["/paymentAccountType"]),
            (json!({"paymentAccountType": "DEBIT", "ownerId": "x"}), vec!["/ownerId"]),
            (json!({}), vec!["/paymentAccountType"]),
        ] {
            let problem = scene.send(request(&body)).await.unwrap_err();
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, expected), "{body}");
        }
    }

    #[tokio::test]
    async fn account_beyond_the_limits_is_rejected() {
        let scene = Scene::new().await;
        for (body, code) in [
            (json!({"paymentAccountType": "CREDIT", "creditLimit": 501}), "limit_exceeded"),
            (json!({"paymentAccountType": "LOAN", "principal": 1001, "disburseTo": "main"}), "limit_exceeded"),
            (
                json!({"paymentAccountType": "LOAN", "paymentAccountId": "a", "principal": 1, "disburseTo": "a"}),
                "same_account",
            ),
        ] {
            assert_eq!(scene.send(request(&body)).await.unwrap_err().problem_type.code, code, "{body}");
        }
        // The generated id of a request with an idempotency key is predictable, so the request can name it.
        let predicted = IdempotentRequest::keyed(scene.ada.id, "open-account", "k", &()).unwrap().id;
        let body = json!({"paymentAccountType": "LOAN", "principal": 1, "disburseTo": predicted.to_string()});
        let to_itself = scene.send(keyed_request(&body, "k")).await;
        assert_eq!(to_itself.unwrap_err().problem_type.code, "same_account");
        let with_deposit = request(&json!({"paymentAccountType": "DEBIT", "balance": 1}));
        let disabled = handle(&scene.state(SelfDeposit::Disabled), scene.ada.principal(), with_deposit).await;
        assert_eq!(disabled.unwrap_err().problem_type.code, "self_deposit_disabled");
    }
}
