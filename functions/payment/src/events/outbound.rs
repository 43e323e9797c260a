//! Events that this context publishes.
//!
//! The publisher reads the stream of the payment table, which is the outbox. A payment is published once it was handed to
//! the provider, and a transfer if it moved money.

use contracts::{Envelope, PaymentEvent};
use outbox::{EventRecord, RecordDecodeError, key_matches, new_image, version_increased};

use crate::domain::{Payment, PaymentStatus, Transfer, TransferStatus};
use crate::store::payments::PaymentRecord;
use crate::store::transfers::TransferRecord;

/// Returns the event of a record of the stream, if it has one.
///
/// # Errors
///
/// [`RecordDecodeError`] if the record has an event but can't be decoded.
pub fn event_from_record(record: &EventRecord) -> Result<Option<Envelope<PaymentEvent>>, RecordDecodeError> {
    if key_matches(record, |_pk, sk| sk == "PAYMENT")? {
        let payment = Payment::from(new_image::<PaymentRecord>(record)?);
        return Ok(payment_event(&payment).filter(|event| version_increased(record, event.aggregate_version)));
    }
    // A transfer never changes, so a later change of its item has no event.
    if key_matches(record, |_pk, sk| sk == "TRANSFER")? && record.event_name == "INSERT" {
        let transfer = Transfer::try_from(new_image::<TransferRecord>(record)?).map_err(RecordDecodeError::new)?;
        return Ok(transfer_event(&transfer));
    }
    Ok(None)
}

fn payment_event(payment: &Payment) -> Option<Envelope<PaymentEvent>> {
    let (status, event): (_, fn(contracts::Payment) -> PaymentEvent) = match payment.status {
        PaymentStatus::Initiated => return None,
        PaymentStatus::Pending => (contracts::PaymentStatus::Pending, PaymentEvent::Pending),
        PaymentStatus::Success => (contracts::PaymentStatus::Success, PaymentEvent::Succeeded),
        PaymentStatus::Failed => (contracts::PaymentStatus::Failed, PaymentEvent::Failed),
    };
    let published = contracts::Payment {
        reference: payment.reference.to_string(),
        owner_id: payment.owner,
        amount: payment.amount,
        currency: payment.currency,
        status,
        customer_phone: payment.customer_phone.as_str().to_owned(),
        customer_email: payment.customer_email.as_str().to_owned(),
        payment_account_id: payment.payment_account_id.as_ref().map(ToString::to_string),
        provider_transaction_id: payment.provider_transaction_id.as_ref().map(|id| id.as_str().to_owned()),
    };
    Some(Envelope::new(published.reference.clone(), payment.version, payment.updated_at, event(published)))
}

fn transfer_event(transfer: &Transfer) -> Option<Envelope<PaymentEvent>> {
    if transfer.status != TransferStatus::Completed {
        return None;
    }
    let published = contracts::Transfer {
        id: transfer.id.to_string(),
        kind: transfer.posting.kind().to_string(),
        from: transfer.posting.from().map(ToString::to_string),
        to: transfer.posting.to().map(ToString::to_string),
        amount: transfer.amount,
        currency: transfer.currency,
        created_at: transfer.created_at,
    };
    let event = PaymentEvent::TransferCompleted(published);
    Some(Envelope::new(transfer.id.to_string(), 1, transfer.created_at, event))
}

#[cfg(test)]
mod tests {
    use contracts::Event;
    use serde_json::{Value, json};

    use super::*;

    const ADA: &str = "0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b";
    const TRANSFER: &str = "0190a1b2-5c3d-4e6f-8a7b-0123456789ab";
    const REFERENCE: &str = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4";

    /// A stored item.
    fn payment(status: &str, version: u64) -> Value {
        json!({
            "pk": {"S": format!("PAYMENT#{REFERENCE}")}, "sk": {"S": "PAYMENT"}, "reference": {"S": REFERENCE},
            "ownerId": {"S": ADA}, "order": {"S": "o"},
            "amount": {"N": "1050"}, "currency": {"S": "RWF"}, "paymentMethod": {"S": "MOBILE_MONEY"},
            "customerPhone": {"S": "+250788123456"}, "customerEmail": {"S": "ben@example.com"},
            "status": {"S": status}, "providerName": {"S": "simulator"}, "providerTransactionId": {"S": "SIM-1"},
            "paymentAccountId": {"S": "shop"}, "createdAt": {"S": "2026-01-31T12:00:00.000Z"},
            "updatedAt": {"S": "2026-01-31T12:05:00.000Z"}, "version": {"N": version.to_string()},
            "history": {"L": [{"M": {
                "status": {"S": status}, "at": {"S": "2026-01-31T12:05:00.000Z"}, "by": {"S": "PROVIDER"}
            }}]}
        })
    }

    fn transfer(status: &str) -> Value {
        json!({
            "pk": {"S": format!("TRANSFER#{TRANSFER}")}, "sk": {"S": "TRANSFER"}, "id": {"S": TRANSFER},
            "type": {"S": "SEND"}, "status": {"S": status}, "failureCode": {"S": "insufficient_funds"},
            "failureParty": {"S": "from"}, "amount": {"N": "250"}, "currency": {"S": "USD"}, "initiatedBy": {"S": ADA},
            "from": {"S": "till"}, "to": {"S": "shop"}, "createdAt": {"S": "2026-01-31T12:00:00.000Z"}
        })
    }

    fn event(name: &str, old: &Value, new: &Value) -> Result<Option<Envelope<PaymentEvent>>, RecordDecodeError> {
        let image = if new.is_null() { old } else { new };
        let record = json!({
            "eventID": "e", "eventName": name, "awsRegion": "eu-west-1",
            "dynamodb": {
                "Keys": {"pk": image["pk"], "sk": image["sk"]},
                "OldImage": old, "NewImage": new, "SequenceNumber": "1", "SizeBytes": 1
            }
        });
        event_from_record(&serde_json::from_value(record).unwrap())
    }

    #[test]
    fn succeeded_payment_is_published() {
        let published = event("MODIFY", &payment("PENDING", 2), &payment("SUCCESS", 3)).unwrap();
        assert_eq!(
            serde_json::to_value(published).unwrap(),
            json!({
                "id": format!("{REFERENCE}.3"), "type": "payment:succeeded", "schemaVersion": 1,
                "aggregateId": REFERENCE, "aggregateVersion": 3, "occurredAt": "2026-01-31T12:05:00.000Z",
                "data": {
                    "reference": REFERENCE, "ownerId": ADA, "amount": 1050, "currency": "RWF", "status": "SUCCESS",
                    "customerPhone": "+250788123456", "customerEmail": "ben@example.com", "paymentAccountId": "shop",
                    "providerTransactionId": "SIM-1"
                }
            })
        );
    }

    #[test]
    fn each_status_after_initiated_is_published_once() {
        let name = |old: &Value, new: &Value| event("MODIFY", old, new).unwrap().map(|event| event.event.name());
        assert_eq!(event("INSERT", &Value::Null, &payment("INITIATED", 1)).unwrap(), None);
        assert_eq!(name(&payment("INITIATED", 1), &payment("PENDING", 2)), Some("payment:pending"));
        assert_eq!(name(&payment("PENDING", 2), &payment("FAILED", 3)), Some("payment:failed"));
        assert_eq!(name(&payment("FAILED", 3), &payment("FAILED", 3)), None);
    }

    #[test]
    fn completed_transfer_is_published() {
        let published = event("INSERT", &Value::Null, &transfer("COMPLETED")).unwrap();
        assert_eq!(
            serde_json::to_value(published).unwrap(),
            json!({
                "id": format!("{TRANSFER}.1"), "type": "transfer:completed", "schemaVersion": 1,
                "aggregateId": TRANSFER, "aggregateVersion": 1, "occurredAt": "2026-01-31T12:00:00.000Z",
                "data": {
                    "id": TRANSFER, "type": "SEND", "from": "till", "to": "shop", "amount": 250, "currency": "USD",
                    "createdAt": "2026-01-31T12:00:00.000Z"
                }
            })
        );
        assert_eq!(event("INSERT", &Value::Null, &transfer("FAILED")).unwrap(), None);
        assert_eq!(event("MODIFY", &transfer("COMPLETED"), &transfer("COMPLETED")).unwrap(), None);
    }

    #[test]
    fn other_items_and_removals_are_not_published() {
        let account = json!({"pk": {"S": "ACCOUNT#shop"}, "sk": {"S": "ACCOUNT"}});
        assert_eq!(event("INSERT", &Value::Null, &account).unwrap(), None);
        assert_eq!(event("REMOVE", &payment("SUCCESS", 3), &Value::Null).unwrap(), None);
    }

    #[test]
    fn undecodable_item_with_an_event_is_an_error() {
        for field in ["reference", "ownerId", "amount", "status", "customerPhone", "version", "updatedAt"] {
            let mut item = payment("SUCCESS", 3);
            item.as_object_mut().unwrap().remove(field);
            assert!(event("MODIFY", &payment("PENDING", 2), &item).is_err(), "{field}");
        }
        let mut item = transfer("COMPLETED");
        item["amount"] = json!({"N": "0"});
        assert!(event("INSERT", &Value::Null, &item).is_err());
    }
}
