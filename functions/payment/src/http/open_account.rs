//! `POST /payments/accounts`: opens a DEBIT, CREDIT or LOAN account.

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response, deadline, json_body};
use kernel::SystemRandom;
use kernel::{Amount, Clock, Currency, Random, SystemClock};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::posting::{answer, named_request};
use super::wire::{AccountBody, Count, MinorUnits};
use super::{SelfDeposit, problems};
use crate::domain::{AccountType, IntakeShards, NewAccount, PaymentAccountId, RequestId, Transfer, TransferStatus};
use crate::store::Fence;
use crate::store::accounts::{OpenAccount, Opening};

/// What an account opens with.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OpenAccount)]
pub(super) struct Body {
    payment_account_type: AccountType,
    /// A name of your choice, that nobody else has; where it is left out, one is made.
    #[schema(value_type = Option<PaymentAccountId>)]
    payment_account_id: Option<String>,
    /// The currency of everything in the account; where it is left out, the deployment's default.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
    /// DEBIT alone: an opening deposit, where the deployment lets people deposit by themselves.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance: Option<MinorUnits>,
    /// DEBIT alone: into how many shards, beside its own item, the account takes in money, for one that many pay at once.
    /// A payment costs as much; drawing on them, when the account's own balance is not enough, costs two round trips more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 16)]
    intake_shards: Option<Count>,
    /// CREDIT alone: how far below zero the account may go; where it is left out, the highest that is granted.
    #[schema(value_type = Option<Amount>)]
    credit_limit: Option<MinorUnits>,
    /// LOAN alone, and needed there: what is lent.
    #[schema(value_type = Option<Amount>)]
    principal: Option<MinorUnits>,
    /// LOAN alone, and needed there: your DEBIT account that receives the principal.
    #[schema(value_type = Option<PaymentAccountId>)]
    disburse_to: Option<String>,
}

/// What the platform grants.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The highest credit limit, in minor units; also the limit of a CREDIT account that asks for none.
    pub max_credit_limit: Amount,
    /// The highest principal of a loan, in minor units.
    pub max_loan_principal: Amount,
    /// How many accounts a person may have.
    pub max_accounts_per_user: u32,
}

/// What the endpoint depends on.
#[derive(Debug, Clone)]
pub struct Opener<S, C = SystemClock, R = SystemRandom> {
    /// Where accounts are opened.
    pub store: S,
    /// The time.
    pub clock: C,
    /// For ids of accounts and requests.
    pub random: R,
    /// The currency of a request that names none.
    pub default_currency: Currency,
    /// What the platform grants.
    pub limits: Limits,
    /// Whether an account may open with a deposit.
    pub self_deposit: SelfDeposit,
}

impl<S> Opener<S> {
    /// The dependencies of the function, as its environment has them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or wrong.
    pub fn from_env(env: &Env, store: S) -> Result<Self, ConfigError> {
        let amount = |text: &str| {
            let minor = text.parse::<i64>().map_err(|error| error.to_string())?;
            Amount::from_minor(minor).map_err(|error| error.to_string())
        };
        Ok(Self {
            store,
            clock: SystemClock,
            random: SystemRandom,
            default_currency: env.read("DEFAULT_CURRENCY", Currency::parse)?,
            limits: Limits {
                max_credit_limit: env.read("MAX_CREDIT_LIMIT", amount)?,
                max_loan_principal: env.read("MAX_LOAN_PRINCIPAL", amount)?,
                max_accounts_per_user: env.parsed("MAX_ACCOUNTS_PER_USER")?,
            },
            self_deposit: env.parsed("SELF_DEPOSIT")?,
        })
    }
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: the request is wrong, or the account cannot be opened.
pub async fn handle<S: OpenAccount, C: Clock, R: Random>(
    opener: &Opener<S, C, R>,
    principal: Principal,
    request: &Request,
) -> Result<Response, Problem> {
    let body: Body = json_body(request)?;
    let Wish { id, currency, new } = Wish::read(&body, &opener.limits)?;
    opener.check(&new)?;
    let named = named_request(principal, request, "open-account", &body, &opener.random)?;
    let now = opener.clock.now();
    let id = id.unwrap_or_else(|| named.id.uuid().into());
    let currency = currency.unwrap_or(opener.default_currency);
    if matches!(&new, NewAccount::Loan { disburse_to, .. } if *disburse_to == id) {
        return Err(problems::same_account("disburseTo"));
    }
    let transfer = new.opening_transfer(&id).map(|(posting, amount)| Transfer {
        id: RequestId::derive(named.id, "opening").into(),
        posting,
        status: TransferStatus::Completed,
        amount,
        currency,
        note: None,
        initiated_by: principal.user_id,
        created_at: now,
    });
    let account = new.open(id, principal.user_id, currency, now);
    let opening = Opening {
        request: named,
        account,
        transfer,
        fence: Fence::from(&principal),
        max_accounts: opener.limits.max_accounts_per_user,
        deadline: deadline(request),
    };
    let is_named = opening.request.fingerprint.is_some();
    let made = opener.store.open(opening).await;
    let made = made.map_err(|error| problems::of_command(problems::open(&error), is_named))?;
    answer(&AccountBody::from(&made.account), made.replayed)
}

impl<S, C, R> Opener<S, C, R> {
    /// Refuses what the platform does not grant.
    fn check(&self, new: &NewAccount) -> Result<(), Problem> {
        let within = |field, asked: Amount, most: Amount| {
            if asked <= most { Ok(()) } else { Err(problems::limit_exceeded(field, most.minor())) }
        };
        match new {
            NewAccount::Debit { deposit: None, .. } => Ok(()),
            NewAccount::Debit { deposit: Some(_), .. } => self.self_deposit.check(),
            NewAccount::Credit { limit } => within("creditLimit", *limit, self.limits.max_credit_limit),
            NewAccount::Loan { principal, .. } => within("principal", *principal, self.limits.max_loan_principal),
        }
    }
}

/// What the client wishes for, in the domain's terms.
struct Wish {
    id: Option<PaymentAccountId>,
    currency: Option<Currency>,
    new: NewAccount,
}

impl Wish {
    fn read(body: &Body, limits: &Limits) -> Result<Self, Problem> {
        let mut fields = FieldErrors::default();
        let id = body.payment_account_id.as_deref().map(PaymentAccountId::parse);
        let id = fields.read_optional("paymentAccountId", id);
        let currency = fields.read_optional("currency", body.currency.as_deref().map(Currency::parse));
        let new = read_new_account(body, limits, &mut fields);
        let (Some(id), Some(currency), Some(new), true) = (id, currency, new, fields.is_empty()) else {
            return Err(fields.problem());
        };
        Ok(Self { id, currency, new })
    }
}

fn read_new_account(body: &Body, limits: &Limits, fields: &mut FieldErrors) -> Option<NewAccount> {
    use AccountType::{Credit, Debit, Loan};
    let kind = body.payment_account_type;
    let sent = [
        ("balance", body.balance.is_some(), Debit),
        ("intakeShards", body.intake_shards.is_some(), Debit),
        ("creditLimit", body.credit_limit.is_some(), Credit),
        ("principal", body.principal.is_some(), Loan),
        ("disburseTo", body.disburse_to.is_some(), Loan),
    ];
    for (field, _, only) in sent.into_iter().filter(|(_, sent, only)| *sent && *only != kind) {
        fields.push(field, format!("is for {} accounts only", only.as_str()));
    }
    let amount = |minor: MinorUnits| Amount::from_minor(minor.0);
    match kind {
        // A balance of nothing is no deposit.
        Debit => {
            let deposit = body.balance.filter(|balance| balance.0 != 0).map(amount);
            let deposit = fields.read_optional("balance", deposit);
            let intake_shards =
                fields.read_optional("intakeShards", body.intake_shards.map(|count| IntakeShards::new(count.0)));
            Some(NewAccount::Debit { deposit: deposit?, intake_shards: intake_shards? })
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

const MISSING: &str = "a LOAN account needs it";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use serde_json::{Value, json};

    use super::super::testing::{ada, body_of, named, now, pointers, request};
    use super::*;
    use crate::domain;
    use crate::store::accounts::{OpenError, Opened};

    #[derive(Default)]
    struct FakeStore(Mutex<Vec<Opening>>);

    impl OpenAccount for FakeStore {
        async fn open(&self, opening: Opening) -> Result<Opened, OpenError> {
            let account = opening.account.clone();
            self.0.lock().unwrap().push(opening);
            Ok(Opened { account, replayed: false })
        }
    }

    fn opener(self_deposit: SelfDeposit) -> Opener<FakeStore, FixedClock, SeededRandom> {
        Opener {
            store: FakeStore::default(),
            clock: FixedClock(now()),
            random: SeededRandom::new(2),
            default_currency: Currency::parse("USD").unwrap(),
            limits: Limits {
                max_credit_limit: Amount::from_minor(500).unwrap(),
                max_loan_principal: Amount::from_minor(1000).unwrap(),
                max_accounts_per_user: 3,
            },
            self_deposit,
        }
    }

    async fn open(body: Value) -> Result<(Value, Opening), Problem> {
        let opener = opener(SelfDeposit::Enabled);
        let answer = handle(&opener, ada(), &request(&body)).await?;
        assert_eq!(answer.status, 201);
        Ok((body_of(&answer), opener.store.0.into_inner().unwrap().remove(0)))
    }

    #[tokio::test]
    async fn an_account_opens_under_an_id_of_its_own_unless_one_is_chosen() {
        let (body, _) = open(json!({"paymentAccountType": "DEBIT"})).await.unwrap();
        assert_eq!(body["id"], body["paymentAccountId"]);
        assert_eq!((&body["currency"], &body["balance"]), (&json!("USD"), &json!(0)));
        let (body, _) = open(json!({"paymentAccountType": "DEBIT", "paymentAccountId": "main"})).await.unwrap();
        assert_eq!(body["paymentAccountId"], "main");
    }

    #[tokio::test]
    async fn an_opening_balance_is_a_deposit_and_none_is_none() {
        let (body, opening) = open(json!({"paymentAccountType": "DEBIT", "balance": 70})).await.unwrap();
        assert_eq!((&body["balance"], &body["available"]), (&json!(70), &json!(70)));
        assert_eq!(opening.transfer.unwrap().amount.minor(), 70);
        let (_, opening) = open(json!({"paymentAccountType": "DEBIT", "balance": 0})).await.unwrap();
        assert_eq!(opening.transfer, None);
    }

    #[tokio::test]
    async fn an_account_that_many_pay_at_once_says_into_how_many_shards_it_takes_in_money() {
        let (body, opening) = open(json!({"paymentAccountType": "DEBIT", "intakeShards": 8})).await.unwrap();
        assert_eq!(body["intakeShards"], json!(8));
        assert_eq!(opening.account.intake_shards, IntakeShards::new(8).ok());
        let (body, _) = open(json!({"paymentAccountType": "DEBIT"})).await.unwrap();
        assert_eq!(body.get("intakeShards"), None);
    }

    /// Keys of requests that were made before there were shards are good for good.
    #[tokio::test]
    async fn a_request_without_shards_is_the_same_request_as_before_there_were_any() {
        #[derive(Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Before {
            payment_account_type: &'static str,
            payment_account_id: Option<String>,
            currency: Option<String>,
            balance: Option<i64>,
            credit_limit: Option<i64>,
            principal: Option<i64>,
            disburse_to: Option<String>,
        }
        let opener = opener(SelfDeposit::Enabled);
        handle(&opener, ada(), &named(&json!({"paymentAccountType": "CREDIT"}), "k")).await.unwrap();
        let before = Before { payment_account_type: "CREDIT", ..Before::default() };
        let before = domain::Request::named(ada().user_id, "open-account", "k", &before).unwrap();
        assert_eq!(opener.store.0.into_inner().unwrap().remove(0).request, before);
    }

    #[tokio::test]
    async fn a_credit_account_has_the_limit_it_asks_for_or_the_highest() {
        let (body, _) = open(json!({"paymentAccountType": "CREDIT", "creditLimit": 200})).await.unwrap();
        assert_eq!((&body["balance"], &body["available"]), (&json!(0), &json!(200)));
        let (body, _) = open(json!({"paymentAccountType": "CREDIT"})).await.unwrap();
        assert_eq!(body["available"], json!(500));
    }

    #[tokio::test]
    async fn a_loan_opens_owing_and_is_disbursed() {
        let wish = json!({"paymentAccountType": "LOAN", "principal": 900, "disburseTo": "main"});
        let (body, opening) = open(wish).await.unwrap();
        assert_eq!((&body["balance"], &body["available"]), (&json!(-900), &json!(0)));
        let transfer = opening.transfer.unwrap();
        assert_eq!(transfer.posting.to().map(PaymentAccountId::as_str), Some("main"));
        assert_eq!(transfer.posting.from(), Some(&opening.account.id));
    }

    #[tokio::test]
    async fn what_does_not_fit_the_type_is_pointed_at() {
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
            let problem = open(body.clone()).await.unwrap_err();
            assert_eq!((problem.problem_type.status, pointers(&problem)), (400, expected), "{body}");
        }
    }

    #[tokio::test]
    async fn what_the_platform_does_not_grant_is_refused() {
        for (body, code) in [
            (json!({"paymentAccountType": "CREDIT", "creditLimit": 501}), "limit_exceeded"),
            (json!({"paymentAccountType": "LOAN", "principal": 1001, "disburseTo": "main"}), "limit_exceeded"),
            (
                json!({"paymentAccountType": "LOAN", "paymentAccountId": "a", "principal": 1, "disburseTo": "a"}),
                "same_account",
            ),
        ] {
            assert_eq!(open(body.clone()).await.unwrap_err().problem_type.code, code, "{body}");
        }
        // An id that is made for a keyed request can be foretold, and named in it.
        let foretold = domain::Request::named(ada().user_id, "open-account", "k", &()).unwrap().id.uuid();
        let wish = json!({"paymentAccountType": "LOAN", "principal": 1, "disburseTo": foretold.to_string()});
        let to_itself = handle(&opener(SelfDeposit::Enabled), ada(), &named(&wish, "k")).await;
        assert_eq!(to_itself.unwrap_err().problem_type.code, "same_account");
        let closed = opener(SelfDeposit::Disabled);
        let with_deposit = request(&json!({"paymentAccountType": "DEBIT", "balance": 1}));
        assert_eq!(handle(&closed, ada(), &with_deposit).await.unwrap_err().problem_type.code, "self_deposit_disabled");
    }
}
