//! The outcome of a payment, and the webhooks that report it.

use contracts::Payment;
use kernel::Timestamp;
use serde::Serialize;

/// The outcome of a payment. It is determined by the customer's phone number, from the range that North America reserves for
/// fiction, so that no such number is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The customer pays. Also the outcome for all numbers outside the table.
    Success,
    /// The customer does not pay.
    Failure,
    /// The customer pays, and the same webhook is delivered twice.
    Duplicate,
    /// The customer pays after a delay.
    Late,
    /// The customer pays, and a second webhook reports a failure.
    Contradictory,
    /// No webhook is sent.
    Never,
}

/// The phone numbers with a fixed outcome, as documented in `docs/simulator.md`.
const BY_PHONE: [(&str, Outcome); 6] = [
    ("+12025550100", Outcome::Success),
    ("+12025550101", Outcome::Failure),
    ("+12025550102", Outcome::Duplicate),
    ("+12025550103", Outcome::Late),
    ("+12025550104", Outcome::Contradictory),
    ("+12025550105", Outcome::Never),
];

/// A webhook message. The messages of a payment are always the same, byte for byte, so that a retry after a failure repeats a
/// message and does not create another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub report: StatusReport,
}

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    pub reference: String,
    pub status: Status,
    /// The provider's id of the payment.
    pub provider_transaction_id: String,
    /// The time at which the payment was handed to the provider.
    pub timestamp: Timestamp,
}

/// The reported status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Success,
    Failed,
}

impl Outcome {
    pub fn for_phone(customer_phone: &str) -> Self {
        BY_PHONE.iter().find(|(phone, _)| *phone == customer_phone).map_or(Self::Success, |(_, outcome)| *outcome)
    }

    /// The messages that report this outcome, in the order of delivery.
    pub fn messages(self, payment: &Payment, handed_over_at: Timestamp) -> Vec<Message> {
        let statuses: &[(u8, Status)] = match self {
            Self::Success | Self::Late => &[(1, Status::Success)],
            Self::Failure => &[(1, Status::Failed)],
            Self::Duplicate => &[(1, Status::Success), (1, Status::Success)],
            Self::Contradictory => &[(1, Status::Success), (2, Status::Failed)],
            Self::Never => &[],
        };
        let message = |(number, status): &(u8, Status)| Message {
            id: format!("sim-{}-{number}", payment.reference),
            report: StatusReport {
                reference: payment.reference.clone(),
                status: *status,
                provider_transaction_id: format!("SIM-{}", payment.reference),
                timestamp: handed_over_at,
            },
        };
        statuses.iter().map(message).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use contact::Phone;
    use serde_json::json;

    use super::*;

    pub(crate) fn payment(customer_phone: &str) -> Payment {
        serde_json::from_value(json!({
            "reference": "PAY-1", "ownerId": "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "amount": 1050, "currency": "RWF",
            "status": "PENDING", "customerPhone": customer_phone, "customerEmail": "ben@example.com"
        }))
        .unwrap()
    }

    fn reported(phone: &str) -> Vec<(String, Status)> {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let messages = Outcome::for_phone(phone).messages(&payment(phone), now);
        messages.into_iter().map(|message| (message.id, message.report.status)).collect()
    }

    #[test]
    fn phone_number_determines_the_messages() {
        use Status::{Failed, Success};
        let first = |status| ("sim-PAY-1-1".to_owned(), status);
        assert_eq!(reported("+250788123456"), [first(Success)]);
        assert_eq!(reported("+12025550100"), [first(Success)]);
        assert_eq!(reported("+12025550101"), [first(Failed)]);
        assert_eq!(reported("+12025550102"), [first(Success), first(Success)]);
        assert_eq!(reported("+12025550103"), [first(Success)]);
        assert_eq!(reported("+12025550104"), [first(Success), ("sim-PAY-1-2".to_owned(), Failed)]);
        assert_eq!(reported("+12025550105"), []);
    }

    #[test]
    fn every_listed_number_is_a_valid_phone_number() {
        for (phone, _) in BY_PHONE {
            assert_eq!(Phone::parse(phone).unwrap().as_str(), phone);
        }
    }
}
