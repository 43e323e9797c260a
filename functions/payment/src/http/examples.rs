//! Examples in the API's document.

use serde_json::{Value, json};

pub(super) const REFERENCE: &str = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4";

pub(super) fn account() -> Value {
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

pub(super) fn transfer(kind: &str, from: Option<&str>, to: Option<&str>) -> Value {
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

pub(super) fn payment() -> Value {
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
