//! What becomes of a payment, and the webhooks that say so.

use contracts::Payment;
use kernel::Timestamp;
use serde::Serialize;

/// What the provider makes of a payment. Fixed by the customer's phone number, from the block that North America keeps
/// for fiction: such a phone is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The customer pays. Also for every number that is not of the table.
    Success,
    /// The customer does not.
    Failure,
    /// The customer pays, and the provider says so twice, by the same message.
    Duplicate,
    /// The customer pays after a long time.
    Late,
    /// The customer pays, and another message says that they did not.
    Contradictory,
    /// The provider never says anything.
    Never,
}

/// The numbers that are not simply paid, as `docs/simulator.md` has them.
const BY_PHONE: [(&str, Outcome); 6] = [
    ("+12025550100", Outcome::Success),
    ("+12025550101", Outcome::Failure),
    ("+12025550102", Outcome::Duplicate),
    ("+12025550103", Outcome::Late),
    ("+12025550104", Outcome::Contradictory),
    ("+12025550105", Outcome::Never),
];

/// One message to the webhook. The same payment always has the same messages, to the byte: a message that is sent again
/// after a failure is a repetition, and no second message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// What it says.
    pub verdict: Verdict,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Of which payment.
    pub reference: String,
    /// What became of it.
    pub status: Status,
    /// The provider's own id of it.
    pub provider_transaction_id: String,
    /// When it was handed to the provider.
    pub timestamp: Timestamp,
}

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Paid.
    Success,
    /// Not paid.
    Failed,
}

impl Outcome {
    /// What becomes of payments by this customer.
    pub fn of(customer_phone: &str) -> Self {
        BY_PHONE.iter().find(|(phone, _)| *phone == customer_phone).map_or(Self::Success, |(_, outcome)| *outcome)
    }

    /// The messages that tell it, in their order.
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
            verdict: Verdict {
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

    fn told(phone: &str) -> Vec<(String, Status)> {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        let messages = Outcome::of(phone).messages(&payment(phone), now);
        messages.into_iter().map(|message| (message.id, message.verdict.status)).collect()
    }

    #[test]
    fn the_phone_number_fixes_what_is_told() {
        use Status::{Failed, Success};
        let first = |status| ("sim-PAY-1-1".to_owned(), status);
        assert_eq!(told("+250788123456"), [first(Success)]);
        assert_eq!(told("+12025550100"), [first(Success)]);
        assert_eq!(told("+12025550101"), [first(Failed)]);
        assert_eq!(told("+12025550102"), [first(Success), first(Success)]);
        assert_eq!(told("+12025550103"), [first(Success)]);
        assert_eq!(told("+12025550104"), [first(Success), ("sim-PAY-1-2".to_owned(), Failed)]);
        assert_eq!(told("+12025550105"), []);
    }

    #[test]
    fn a_payment_takes_each_of_the_numbers_as_it_stands_here() {
        for (phone, _) in BY_PHONE {
            assert_eq!(Phone::parse(phone).unwrap().as_str(), phone);
        }
    }
}
