//! What the endpoints say of themselves in the API's document.

use http_api::{ProblemType, problem_types};
use openapi::{Endpoint, Schemas};
use serde_json::{Map, Value, json};

use super::page::{DEFAULT_LIMIT, LARGEST_LIMIT, Page};
use super::posting::OneSided;
use super::wire::{AccountBody, PaymentBody, TransferBody};
use super::{create_payment, open_account, problems, provider_webhook, send, update_payment_status};
use crate::domain::PaymentStatus;

const TAG: &str = "Wallet";
const PAYMENTS: &str = "Payments";
const REFERENCE: &str = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4";

/// Why money may not move between accounts that the request names.
const REFUSED_TRANSFER: &[&ProblemType] =
    &[&problems::ACCOUNT_NOT_FOUND, &problems::CURRENCY_MISMATCH, &problems::ACCOUNT_FROZEN, &problems::CONTENTION];

/// Adds this context's endpoints to the document.
pub fn describe(paths: &mut Map<String, Value>, schemas: &mut Schemas) {
    let endpoints = [
        open_account(),
        list_accounts("/payments/accounts", "listAccounts"),
        list_accounts("/payments/account", "listAccountsByOlderName"),
        deposit(),
        withdraw(),
        send(),
        histories(),
        get_transfer(),
        create_payment(),
        get_payment(),
        list_payments(),
        update_payment_status(),
        provider_webhook(),
    ];
    for endpoint in endpoints {
        endpoint.write(paths, schemas);
    }
}

fn open_account() -> Endpoint {
    Endpoint::new("post", "/payments/accounts", TAG, "openAccount", "Opens a payment account")
        .description(
            "A DEBIT account never goes below zero, a CREDIT account down to minus its limit. A LOAN account opens owing \
             its principal, which goes to a DEBIT account of yours, and takes in money until nothing is owed.",
        )
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::OUTCOME_UNKNOWN])
        .request_body::<open_account::Body>(&[
            ("debit", json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ada-main", "balance": 10_000})),
            ("credit", json!({"paymentAccountType": "CREDIT", "currency": "USD", "creditLimit": 50_000})),
            ("loan", json!({"paymentAccountType": "LOAN", "principal": 100_000, "disburseTo": "ada-main"})),
        ])
        .response::<AccountBody<'_>>(201, "The account that was opened.", &an_account())
        .problems(REFUSED_TRANSFER)
        .problems(&[
            &problems::ACCOUNT_ID_TAKEN,
            &problems::SAME_ACCOUNT,
            &problems::WRONG_ACCOUNT_TYPE,
            &problems::LIMIT_EXCEEDED,
            &problems::HEADROOM_EXCEEDED,
            &problems::SELF_DEPOSIT_DISABLED,
            &problems::USER_NOT_SYNCED,
        ])
}

fn list_accounts(path: &'static str, id: &str) -> Endpoint {
    Endpoint::new("get", path, TAG, id, "Your payment accounts, oldest first")
        .authenticated()
        .list_response::<AccountBody<'_>>(200, "Your accounts.", &json!([an_account()]))
}

fn deposit() -> Endpoint {
    Endpoint::new("post", "/payments/deposit", TAG, "deposit", "Money from the outside into your account")
        .description(
            "Only where the deployment lets people deposit by themselves; elsewhere money comes in by collections.",
        )
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::OUTCOME_UNKNOWN])
        .request_body::<OneSided>(&[("deposit", json!({"paymentAccountId": "ada-main", "amount": 10_000}))])
        .response::<TransferBody<'_>>(201, "The transfer.", &a_transfer("DEPOSIT", None, Some("ada-main")))
        .problems(REFUSED_TRANSFER)
        .problems(&[&problems::SELF_DEPOSIT_DISABLED, &problems::HEADROOM_EXCEEDED])
}

fn withdraw() -> Endpoint {
    Endpoint::new("post", "/payments/withdraw", TAG, "withdraw", "Money from your account to the outside")
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::OUTCOME_UNKNOWN])
        .request_body::<OneSided>(&[(
            "withdrawal",
            json!({"paymentAccountId": "ada-main", "amount": 550, "currency": "USD"}),
        )])
        .response::<TransferBody<'_>>(201, "The transfer.", &a_transfer("WITHDRAWAL", Some("ada-main"), None))
        .problems(REFUSED_TRANSFER)
        .problems(&[&problems::INSUFFICIENT_FUNDS])
}

fn send() -> Endpoint {
    let dinner = json!({
        "fromPaymentAccountId": "ada-main", "toPaymentAccountId": "ben-main", "amount": 2_550, "note": "Dinner"
    });
    Endpoint::new("post", "/payments/send", TAG, "send", "Money from your account to anyone's")
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::OUTCOME_UNKNOWN])
        .request_body::<send::Body>(&[("dinner", dinner)])
        .response::<TransferBody<'_>>(201, "The transfer.", &a_transfer("SEND", Some("ada-main"), Some("ben-main")))
        .problems(REFUSED_TRANSFER)
        .problems(&[&problems::INSUFFICIENT_FUNDS, &problems::HEADROOM_EXCEEDED, &problems::SAME_ACCOUNT])
}

fn histories() -> Endpoint {
    let mut transfer = a_transfer("SEND", Some("ada-main"), Some("ben-main"));
    if let Some(members) = transfer.as_object_mut() {
        members.insert("direction".to_owned(), json!("OUT"));
    }
    let time = json!({"type": "string", "format": "date-time"});
    let account = json!({"$ref": "#/components/schemas/PaymentAccountId"});
    paged(Endpoint::new("get", "/payments/histories", TAG, "listHistories", "Your transfers, newest first"))
        .query("paymentAccountId", "Only those of this account of yours.", &account)
        .query("from", "Only those since this time, included.", &time)
        .query("to", "Only those before this time, not included.", &time)
        .authenticated()
        .named_response::<Page<TransferBody<'_>>>(
            "TransferPage",
            200,
            "A page.",
            &json!({"data": [transfer], "nextCursor": null}),
        )
        .problems(&[&problems::ACCOUNT_NOT_FOUND])
}

fn get_transfer() -> Endpoint {
    Endpoint::new("get", "/payments/transfers/{id}", TAG, "getTransfer", "One transfer, for its parties")
        .description("A FAILED transfer is the record of a refused request that bore a key, for whoever sent it.")
        .path_parameter("id", "The transfer's id.", &json!({"$ref": "#/components/schemas/TransferId"}))
        .authenticated()
        .response::<TransferBody<'_>>(200, "The transfer.", &a_transfer("SEND", Some("ada-main"), Some("ben-main")))
        .problems(&[&problems::TRANSFER_NOT_FOUND])
}

fn create_payment() -> Endpoint {
    let collection = json!({
        "amount": 5_000,
        "currency": "RWF",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com",
    });
    Endpoint::new("post", "/api/payments", PAYMENTS, "createPayment", "Asks a customer for money, through a provider")
        .description("The payment is INITIATED. Move it to PENDING to hand it to the provider.")
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::OUTCOME_UNKNOWN])
        .request_body::<create_payment::Body>(&[("collection", collection)])
        .response::<PaymentBody<'_>>(201, "The payment.", &a_payment())
        .problems(REFUSED_TRANSFER)
        .problems(&[&problems::WRONG_ACCOUNT_TYPE])
}

fn get_payment() -> Endpoint {
    let endpoint = Endpoint::new("get", "/api/payments/{reference}", PAYMENTS, "getPayment", "One payment of yours");
    by_reference(endpoint).authenticated().response::<PaymentBody<'_>>(200, "The payment.", &a_payment())
}

fn list_payments() -> Endpoint {
    let page = json!({"data": [a_payment()], "nextCursor": null});
    let status = json!({"type": "string", "enum": PaymentStatus::ALL});
    paged(Endpoint::new("get", "/api/payments", PAYMENTS, "listPayments", "Your payments, newest first"))
        .query("status", "Only those that stand there.", &status)
        .authenticated()
        .named_response::<Page<PaymentBody<'_>>>("PaymentPage", 200, "A page.", &page)
}

fn update_payment_status() -> Endpoint {
    let path = "/api/payments/{reference}/status";
    by_reference(Endpoint::new("post", path, PAYMENTS, "updatePaymentStatus", "Moves a payment of yours on"))
        .description(
            "INITIATED to PENDING, PENDING to SUCCESS or FAILED, and nothing else. That your word alone credits your \
             account is only where the deployment lets people deposit by themselves.",
        )
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .request_body::<update_payment_status::Body>(&[("to the provider", json!({"status": "PENDING"}))])
        .response::<PaymentBody<'_>>(200, "The payment as it is now.", &a_payment())
        .problems(REFUSED_TRANSFER)
        .problems(&[&problems::INVALID_TRANSITION, &problems::SELF_DEPOSIT_DISABLED, &problems::HEADROOM_EXCEEDED])
}

fn provider_webhook() -> Endpoint {
    let word = json!({"reference": REFERENCE, "status": "SUCCESS", "providerTransactionId": "MTN-884213"});
    let path = "/api/payments/webhook/provider";
    Endpoint::new("post", path, PAYMENTS, "providerWebhook", "For the provider: what became of a payment")
        .description(
            "Signed by [Standard Webhooks](https://www.standardwebhooks.com), at most five minutes ago. The same id and \
             body again change nothing. A payment that has come to its end stays as it is, whatever is told of it.",
        )
        .secured_by("webhook")
        .header(webhook::ID, "Names the message.", &json!({"type": "string"}))
        .header(webhook::TIMESTAMP, "When it was sent, in seconds since 1970.", &json!({"type": "string"}))
        .request_body::<provider_webhook::Body>(&[("success", word)])
        .response::<PaymentBody<'_>>(200, "The payment as it is now.", &a_payment())
        .problems(REFUSED_TRANSFER)
        .problems(&[
            &problems::INVALID_SIGNATURE,
            &problems::PAYMENT_NOT_FOUND,
            &problems::WEBHOOK_ID_REUSED,
            &problems::INVALID_TRANSITION,
            &problems::HEADROOM_EXCEEDED,
            &problem_types::UNAVAILABLE,
        ])
}

fn by_reference(endpoint: Endpoint) -> Endpoint {
    let reference = json!({"$ref": "#/components/schemas/PaymentReference"});
    endpoint
        .path_parameter("reference", "The payment's reference.", &reference)
        .problems(&[&problems::PAYMENT_NOT_FOUND])
}

/// An endpoint whose answer comes in pages.
fn paged(endpoint: Endpoint) -> Endpoint {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT});
    endpoint.query("limit", "How many a page holds at most.", &limit).query(
        "cursor",
        "The `nextCursor` of the page before.",
        &json!({"type": "string"}),
    )
}

fn an_account() -> Value {
    json!({
        "id": "ada-main",
        "paymentAccountId": "ada-main",
        "paymentAccountType": "DEBIT",
        "userId": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
        "currency": "USD",
        "balance": 10_000,
        "available": 10_000,
        "status": "ACTIVE",
        "createdAt": "2026-01-31T12:00:00.000Z",
    })
}

fn a_transfer(kind: &str, from: Option<&str>, to: Option<&str>) -> Value {
    json!({
        "id": "5f0c5d52-6a0e-4b55-9d1e-2f6f3a1c7b90",
        "type": kind,
        "status": "COMPLETED",
        "fromPaymentAccountId": from,
        "toPaymentAccountId": to,
        "amount": 2_550,
        "currency": "USD",
        "note": null,
        "createdAt": "2026-01-31T12:00:00.000Z",
    })
}

fn a_payment() -> Value {
    json!({
        "reference": REFERENCE,
        "amount": 5_000,
        "currency": "RWF",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com",
        "status": "INITIATED",
        "providerName": "simulator",
        "providerTransactionId": null,
        "paymentAccountId": null,
        "createdAt": "2026-01-31T12:00:00.000Z",
        "updatedAt": "2026-01-31T12:00:00.000Z",
        "history": [{"status": "INITIATED", "at": "2026-01-31T12:00:00.000Z", "by": "OWNER"}],
    })
}
