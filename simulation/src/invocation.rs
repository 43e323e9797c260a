//! The invocations of functions: what a command sends, and how an event source calls its function.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use auth::Principal;
use aws_lambda_events::dynamodb::Event as StreamEvent;
use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};

use crate::bus::{Batch, Topic};
use crate::command::{Command, Opening};
use crate::executor::TaskId;
use crate::network::Network;
use crate::people::{People, WRONG_PASSWORD};
use crate::platform::{AccountFunctions, Answer, Ask, PaymentFunctions, webhook_headers};
use crate::tables::{ACCOUNT_TABLE, PAYMENT_TABLE};

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
    /// The findings of an audit.
    Audited(Result<Vec<String>, String>),
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
    let keyed = |endpoint| token(Ask::new(endpoint).key(command.key()));
    let credentials = |number: usize, wrong: bool| {
        let user = user(number)?;
        let password = if wrong { WRONG_PASSWORD } else { &user.password };
        Some(json!({"email": user.email, "password": password}))
    };
    Some(match command {
        Command::SignUp { user } => Ask::new("signup").body(credentials(*user, false)?),
        Command::SignIn { user, wrong_password } => Ask::new("login").body(credentials(*user, *wrong_password)?),
        Command::Refresh { by, used } => {
            let session = people.session(*by)?;
            let token = if *used { session.used_token.as_ref()? } else { &session.refresh_token };
            Ask::new("refresh").body(json!({"refresh_token": token}))
        }
        Command::SignOut { scope, .. } => token(Ask::new("signout").query("scope", *scope))?,
        Command::EndSession { by, other } => {
            let other = people.session(crate::command::Caller { session: *other, ..*by })?;
            token(Ask::new("end-session").path("id", &other.content.sid))?
        }
        Command::ChangePassword { by } => {
            let password = &user(by.user)?.password;
            let body = json!({"currentPassword": password, "newPassword": changed_password(password)});
            token(Ask::new("change-password").body(body))?
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
            keyed("open-account")?.body(body)
        }
        Command::Deposit { account, amount, .. } => {
            keyed("deposit")?.body(json!({"paymentAccountId": account, "amount": amount}))
        }
        Command::Withdraw { account, amount, .. } => {
            keyed("withdraw")?.body(json!({"paymentAccountId": account, "amount": amount}))
        }
        Command::Send { from, to, amount, .. } => {
            keyed("send")?.body(json!({"fromPaymentAccountId": from, "toPaymentAccountId": to, "amount": amount}))
        }
        Command::SetShards { account, count, .. } => {
            token(Ask::new("update-account").path("id", account).body(json!({"intakeShards": count})))?
        }
        Command::CreatePayment { account, amount, .. } => keyed("create-payment")?.body(json!({
            "amount": amount, "currency": "USD", "paymentMethod": "MOBILE_MONEY",
            "customerPhone": "+250788123456", "customerEmail": "customer@example.com", "paymentAccountId": account,
        })),
        Command::ChangePayment { payment, to, .. } => keyed("update-payment-status")?
            .path("reference", &people.payments.get(payment)?.reference)
            .body(json!({"status": to})),
        Command::Webhook { id, payment, status, transaction } => {
            let payment = people.payments.get(payment)?;
            let body = json!({
                "reference": payment.reference, "status": status, "providerTransactionId": transaction,
                "amount": payment.amount, "currency": "USD",
            });
            let headers = webhook_headers(id, &body, now);
            Ask { headers, ..Ask::new("provider-webhook").body(body) }
        }
        Command::ListAccounts { .. } => token(Ask::new("list-accounts"))?,
        Command::GetPayment { payment, .. } => {
            token(Ask::new("get-payment").path("reference", &people.payments.get(payment)?.reference))?
        }
        Command::Follow { .. } => {
            let ask = token(Ask::new("histories").query("limit", "5"))?;
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
        Command::Audit { full } => Ask::new("audit-ledger").body(json!({"full": full, "restart": true})),
        Command::Freeze { account, frozen } => {
            let status = if *frozen { "FROZEN" } else { "ACTIVE" };
            Ask::new("freeze").body(json!({"account": account, "status": status}))
        }
    })
}

/// The password that a user changes to: one of two.
pub(crate) fn changed_password(password: &str) -> String {
    let [first, second] = ["correct horse battery staple", "another horse battery staple"];
    if password == first { second.to_owned() } else { first.to_owned() }
}

/// Invokes a function of the account context.
pub(crate) async fn invoke_account(functions: Rc<AccountFunctions>, ask: Ask) -> Outcome {
    let body = ask.body.clone().unwrap_or_default();
    match ask.endpoint {
        "set-user-status" => Outcome::Operated(functions.set_user_status(body).await),
        "rotate-keys" => Outcome::Operated(functions.rotate_keys(body).await),
        _ => Outcome::Answered(Box::pin(functions.handle(&ask)).await),
    }
}

/// Invokes a function of the payment context.
pub(crate) async fn invoke_payment(
    functions: Rc<PaymentFunctions>,
    ask: Ask,
    task: TaskId,
    results: Results,
) -> Outcome {
    if ask.endpoint == "audit-ledger" {
        return Outcome::Audited(functions.audit_ledger(ask.body.unwrap_or_default()).await);
    }
    let admitted = |principal| results.admitted.borrow_mut().push((task, principal));
    if ask.endpoint != "histories" {
        return Outcome::Answered(functions.handle(&ask, admitted).await);
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
        pages.push(functions.handle(&ask, admitted).await);
    }
    Outcome::Followed(pages)
}

/// Sets the status of an account and then of its shards, as an operator does.
pub(crate) async fn freeze(network: Network, body: Value) -> Outcome {
    let pk = json!({"S": format!("ACCOUNT#{}", body["account"].as_str().unwrap_or_default())});
    let status = json!({"S": body["status"]});
    let set = |sk: Value| {
        let request = json!({
            "TableName": PAYMENT_TABLE, "Key": {"pk": pk, "sk": sk}, "UpdateExpression": "SET #status = :status",
            "ConditionExpression": "attribute_exists(pk)", "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": status},
        });
        network.request("UpdateItem", request.to_string())
    };
    let failed = |what: &str| Outcome::Operated(Err(what.to_owned()));
    if !matches!(set(json!({"S": "ACCOUNT"})).await, Ok(reply) if reply.status == 200) {
        return failed("the account was not changed");
    }
    let query = json!({
        "TableName": PAYMENT_TABLE, "ConsistentRead": true, "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": pk},
    });
    let Ok(reply) = network.request("Query", query.to_string()).await else { return failed("shards unknown") };
    let found: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    for item in found["Items"].as_array().into_iter().flatten().filter(|item| item["sk"]["S"] != "ACCOUNT") {
        if !matches!(set(item["sk"].clone()).await, Ok(reply) if reply.status == 200) {
            return failed("a shard was not changed");
        }
    }
    Outcome::Operated(Ok(()))
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
pub(crate) async fn consume(functions: Rc<PaymentFunctions>, batch: Batch) -> Outcome {
    let records: Vec<_> = batch.messages.iter().map(|(id, body)| json!({"messageId": id, "body": body})).collect();
    let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).expect("a valid event");
    let apply = |body: String| {
        let store = functions.store.clone();
        async move { payment::events::inbound::apply(&store, &body).await }
    };
    let response = lambda::batch::process_batch(event, apply).await;
    Outcome::Processed(response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect())
}
