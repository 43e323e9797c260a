//! Events of the payment context.

use std::fmt;

use kernel::{Amount, Currency, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::Event;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PaymentEvent {
    /// A payment was handed to the provider.
    #[serde(rename = "payment:pending")]
    Pending(Payment),
    /// The customer paid.
    #[serde(rename = "payment:succeeded")]
    Succeeded(Payment),
    /// The customer did not pay; final.
    #[serde(rename = "payment:failed")]
    Failed(Payment),
    /// A transfer was completed.
    #[serde(rename = "transfer:completed")]
    TransferCompleted(Transfer),
}

impl Event for PaymentEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Pending(_) => "payment:pending",
            Self::Succeeded(_) => "payment:succeeded",
            Self::Failed(_) => "payment:failed",
            Self::TransferCompleted(_) => "transfer:completed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PaymentStatus {
    /// Handed to the provider.
    Pending,
    Success,
    /// Final.
    Failed,
}

/// A payment after the change. `Debug` prints only the reference, since the rest concerns the customer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// `PAY-` and a ULID.
    pub reference: String,
    /// The merchant.
    pub owner_id: UserId,
    /// In minor units.
    pub amount: Amount,
    pub currency: Currency,
    pub status: PaymentStatus,
    /// E.164.
    pub customer_phone: String,
    /// Normalized.
    pub customer_email: String,
    /// The merchant's account that is credited on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_transaction_id: Option<String>,
}

impl fmt::Debug for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payment").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// A transfer. A missing side is the external account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    pub id: String,
    /// The type: DEPOSIT, SEND and so on. A string, since types are added: a consumer MUST accept unknown ones.
    #[serde(rename = "type")]
    pub kind: String,
    /// The payer's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The payee's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// In minor units.
    pub amount: Amount,
    pub currency: Currency,
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Envelope;

    fn payment(kind: &str, status: &str) -> Value {
        json!({
            "id": "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4.3",
            "type": kind,
            "schemaVersion": 1,
            "aggregateId": "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4",
            "aggregateVersion": 3,
            "occurredAt": "2026-01-31T12:00:00.000Z",
            "data": {
                "reference": "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4",
                "ownerId": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
                "amount": 1050,
                "currency": "RWF",
                "status": status,
                "customerPhone": "+250788123456",
                "customerEmail": "ben@example.com",
                "paymentAccountId": "shop",
                "providerTransactionId": "MTN-1"
            }
        })
    }

    fn transfer() -> Value {
        json!({
            "id": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b.1",
            "type": "transfer:completed",
            "schemaVersion": 1,
            "aggregateId": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
            "aggregateVersion": 1,
            "occurredAt": "2026-01-31T12:00:00.000Z",
            "data": {
                "id": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b",
                "type": "COLLECTION",
                "to": "shop",
                "amount": 1050,
                "currency": "RWF",
                "createdAt": "2026-01-31T12:00:00.000Z"
            }
        })
    }

    #[test]
    fn payment_events_round_trip_in_documented_form() {
        for event in [
            payment("payment:pending", "PENDING"),
            payment("payment:succeeded", "SUCCESS"),
            payment("payment:failed", "FAILED"),
            transfer(),
        ] {
            let envelope = Envelope::<PaymentEvent>::read(&event.to_string()).unwrap();
            assert_eq!(event["type"], envelope.event.name());
            assert_eq!(serde_json::to_value(&envelope).unwrap(), event);
        }
    }

    #[test]
    fn event_with_invalid_amount_is_rejected() {
        for amount in [json!(0), json!(-5), json!(10.5), json!(9_007_199_254_740_992_i64)] {
            let mut event = transfer();
            event["data"]["amount"] = amount;
            assert!(Envelope::<PaymentEvent>::read(&event.to_string()).is_err(), "{event}");
        }
    }

    #[test]
    fn payment_debug_output_omits_the_customer() {
        let event = payment("payment:pending", "PENDING").to_string();
        let printed = format!("{:?}", Envelope::<PaymentEvent>::read(&event).unwrap());
        assert!(printed.contains("PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4"), "{printed}");
        assert!(!printed.contains("+250788123456") && !printed.contains("ben@example.com"), "{printed}");
    }
}
