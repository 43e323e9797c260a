//! The invocations of functions: what a command sends, and how an event source calls its function.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use account::ops::{rotate_keys, set_user_status};
use auth::Principal;
use aws_lambda_events::dynamodb::Event as StreamEvent;
use aws_lambda_events::sqs::SqsEvent;
use payment::app::audit_ledger::AuditStatus;
use payment::ops::audit_ledger::{AuditResult, audit_ledger};
use payment::ops::set_account_status::set_account_status;
use platform_tests::functions::AccountFunctions;
use serde_json::json;

use crate::bus::{Batch, Topic};
use crate::command::{Command, Opening};
use crate::executor::TaskId;
use crate::network::Network;
use crate::people::{People, WRONG_PASSWORD};
use crate::platform::{Answer, Ask, Functions, webhook_headers};
use crate::tables::ACCOUNT_TABLE;

/// The timeout of a function, unless it is that of [`Command::timeout`].
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of pages that a reader follows in one poll.
const MAX_PAGES: usize = 50;

/// The result of an invocation.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    Followed(Vec<Answer>),
    /// An operator's command.
    Operated(Result<(), String>),
    /// The status after an audit, and its findings.
    Audited(Result<(AuditStatus, Vec<String>), String>),
    /// The identifiers of failed records or messages.
    Processed(Vec<String>),
}

/// The results of invocations that have ended, and the principals of requests that were admitted.
#[derive(Clone, Default)]
pub(crate) struct Results {
    pub(crate) outcomes: Rc<RefCell<Vec<(TaskId, Outcome)>>>,
    pub(crate) admitted: Rc<RefCell<Vec<(TaskId, Principal)>>>,
}

pub(crate) type Invocation = std::pin::Pin<Box<dyn Future<Output = Outcome>>>;

/// The request of a command. `None` if the client lacks what it needs.
pub(crate) fn ask(
    command: &Command,
    people: &People,
    now: &impl kernel::Clock,
    complete_until: Option<&str>,
) -> Option<Ask> {
    let user = |number: usize| people.users.get(number);
    let token = |ask: Ask| {
        let session = people.session(command.caller()?)?;
        Some(ask.token(&session.access_token))
    };
    let keyed = |route| token(Ask::new(route).key(command.key()));
    let credentials = |number: usize, wrong: bool| {
        let user = user(number)?;
        let password = if wrong { WRONG_PASSWORD } else { &user.password };
        Some(json!({"email": user.email, "password": password}))
    };
    Some(match command {
        Command::SignUp { user } => Ask::new("POST /auth/signup").body(credentials(*user, false)?),
        Command::SignIn { user, wrong_password } => {
            Ask::new("POST /api/auth/login").body(credentials(*user, *wrong_password)?)
        }
        Command::Refresh { by, used } => {
            let session = people.session(*by)?;
            let token = if *used { session.used_token.as_ref()? } else { &session.refresh_token };
            Ask::new("POST /auth/refresh").body(json!({"refresh_token": token}))
        }
        Command::SignOut { scope, .. } => token(Ask::new("POST /auth/signout").query("scope", *scope))?,
        Command::EndSession { by, other } => {
            let other = people.session(crate::command::Caller { session: *other, ..*by })?;
            token(Ask::new("DELETE /auth/sessions/{id}").path("id", &other.content.sid))?
        }
        Command::ChangePassword { by } => {
            let password = &user(by.user)?.password;
            let body = json!({"currentPassword": password, "newPassword": changed_password(password)});
            token(Ask::new("POST /auth/password").body(body))?
        }
        Command::Open { account, opening, currency, .. } => {
            let mut body = match opening {
                Opening::Debit { deposit, shards: 0 } => json!({"paymentAccountType": "DEBIT", "balance": deposit}),
                Opening::Debit { deposit, shards } => {
                    json!({"paymentAccountType": "DEBIT", "balance": deposit, "intakeShards": shards})
                }
                Opening::Credit { limit } => json!({"paymentAccountType": "CREDIT", "creditLimit": limit}),
                Opening::Loan { principal, disburse_to } => {
                    json!({"paymentAccountType": "LOAN", "principal": principal, "disburseTo": disburse_to})
                }
            };
            body["paymentAccountId"] = json!(account);
            body["currency"] = json!(currency);
            keyed("POST /payments/accounts")?.body(body)
        }
        Command::Deposit { account, amount, .. } => {
            keyed("POST /payments/deposit")?.body(json!({"paymentAccountId": account, "amount": amount}))
        }
        Command::Withdraw { account, amount, .. } => {
            keyed("POST /payments/withdraw")?.body(json!({"paymentAccountId": account, "amount": amount}))
        }
        Command::Send { from, to, amount, .. } => keyed("POST /payments/send")?
            .body(json!({"fromPaymentAccountId": from, "toPaymentAccountId": to, "amount": amount})),
        Command::SetShards { account, count, .. } => {
            token(Ask::new("PATCH /payments/accounts/{id}").path("id", account).body(json!({"intakeShards": count})))?
        }
        Command::CreatePayment { account, amount, .. } => keyed("POST /api/payments")?.body(json!({
            "amount": amount, "currency": "USD", "paymentMethod": "MOBILE_MONEY",
            "customerPhone": "+250788123456", "customerEmail": "customer@example.com", "paymentAccountId": account,
        })),
        Command::ChangePayment { payment, to, .. } => keyed("POST /api/payments/{reference}/status")?
            .path("reference", &people.payments.get(payment)?.reference)
            .body(json!({"status": to})),
        Command::Webhook { id, payment, status, transaction } => {
            let payment = people.payments.get(payment)?;
            let body = json!({
                "reference": payment.reference, "status": status, "providerTransactionId": transaction,
                "amount": payment.amount, "currency": "USD",
            });
            let headers = webhook_headers(id, &body, now);
            Ask { headers, ..Ask::new("POST /api/payments/webhook/provider").body(body) }
        }
        Command::ListAccounts { .. } => token(Ask::new("GET /payments/accounts"))?,
        Command::GetPayment { payment, .. } => token(
            Ask::new("GET /api/payments/{reference}").path("reference", &people.payments.get(payment)?.reference),
        )?,
        Command::Follow { .. } => {
            let ask = token(Ask::new("GET /payments/histories").query("limit", "5"))?;
            match complete_until {
                Some(until) => ask.query("from", until),
                None => ask,
            }
        }
        Command::SetStatus { user, status } => {
            let email = &people.users.get(*user)?.email;
            Ask::new("set-user-status").body(json!({"email": email, "status": status, "reason": "simulation"}))
        }
        Command::RotateKeys { now } => {
            Ask::new("rotate-keys").body(if *now { json!({"rotateNow": true}) } else { json!({}) })
        }
        Command::Audit { restart: None } => Ask::new("audit-ledger").body(json!({})),
        Command::Audit { restart } => Ask::new("audit-ledger").body(json!({"restart": restart})),
        Command::Freeze { account, frozen } => {
            let status = if *frozen { "FROZEN" } else { "ACTIVE" };
            let command = json!({"paymentAccountId": account, "status": status, "reason": "simulation"});
            Ask::new("set-account-status").body(command)
        }
    })
}

/// The password that a user changes to: one of two.
pub(crate) fn changed_password(password: &str) -> String {
    let [first, second] = ["correct horse battery staple", "another horse battery staple"];
    if password == first { second.to_owned() } else { first.to_owned() }
}

/// Invokes a function of the account context.
pub(crate) async fn invoke_account(functions: Rc<Functions>, ask: Ask) -> Outcome {
    let body = || ask.body.clone().unwrap_or_default();
    let AccountFunctions { set_status, rotate, .. } = &functions.account;
    let operated = match ask.route {
        "set-user-status" => {
            let set = set_user_status(set_status, body(), "operator".to_owned()).await;
            set.map(drop).map_err(|error| error.to_string())
        }
        "rotate-keys" => {
            let rotated = rotate_keys(rotate, body(), "schedule".to_owned()).await;
            rotated.map(drop).map_err(|error| error.to_string())
        }
        route => return Outcome::Answered(Box::pin(functions.account.respond(route, ask.request())).await.into()),
    };
    Outcome::Operated(operated)
}

/// Invokes a function of the payment context.
pub(crate) async fn invoke_payment(functions: Rc<Functions>, ask: Ask, task: TaskId, results: Results) -> Outcome {
    let body = || ask.body.clone().unwrap_or_default();
    if ask.route == "audit-ledger" {
        let audited = audit_ledger(&functions.payment.audit, body(), "schedule".to_owned()).await;
        let findings = |result: AuditResult| {
            (result.status, result.findings.iter().map(|finding| format!("{finding:?}")).collect())
        };
        return Outcome::Audited(audited.map(findings).map_err(|error| error.to_string()));
    }
    if ask.route == "set-account-status" {
        let set = set_account_status(&functions.payment.set_status, body(), "operator".to_owned()).await;
        return Outcome::Operated(set.map(drop).map_err(|error| error.to_string()));
    }
    let answer = async |ask: &Ask| -> Answer {
        let admitted = |principal| results.admitted.borrow_mut().push((task, principal));
        functions.payment.respond(ask.route, ask.request(), admitted).await.into()
    };
    if ask.route != "GET /payments/histories" {
        return Outcome::Answered(answer(&ask).await);
    }
    let mut pages: Vec<Answer> = Vec::new();
    while pages.len() < MAX_PAGES {
        let cursor = pages.last().and_then(|page| page.body["nextCursor"].as_str()).map(str::to_owned);
        if cursor.is_none() && !pages.is_empty() {
            break;
        }
        let ask = match cursor {
            Some(cursor) => ask.clone().query("cursor", cursor),
            None => ask.clone(),
        };
        pages.push(answer(&ask).await);
    }
    Outcome::Followed(pages)
}

/// Invokes the publisher of a table's stream.
pub(crate) async fn publish(network: Network, table: &'static str, event: StreamEvent) -> Outcome {
    let topic = Topic { network, table };
    let response = if table == ACCOUNT_TABLE {
        outbox::publish(&topic, &event, account::events::event_from_record).await
    } else {
        outbox::publish(&topic, &event, payment::events::outbound::event_from_record).await
    };
    let Ok(response) = response;
    Outcome::Processed(
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier.unwrap_or_default()).collect(),
    )
}

/// Invokes the sync function with a batch of messages.
pub(crate) async fn consume(functions: Rc<Functions>, batch: Batch) -> Outcome {
    let records: Vec<_> = batch.messages.iter().map(|(id, body)| json!({"messageId": id, "body": body})).collect();
    let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).expect("a valid event");
    let apply = |body: String| {
        let store = functions.payment.store.clone();
        async move { payment::events::inbound::apply(&store, &body).await }
    };
    let response = lambda::batch::process_batch(event, apply).await;
    Outcome::Processed(response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect())
}
