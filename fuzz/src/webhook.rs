//! The headers and the body of a provider's webhook, with a signature that is valid or any other.

use arbitrary::{Arbitrary, Unstructured};
use platform_tests::functions::webhook_secret;
use serde_json::json;
use webhook::{Headers, ID, SIGNATURE, TIMESTAMP, verify};

use crate::platform::{Harness, event, now};

#[derive(Debug, Arbitrary)]
struct Delivery<'a> {
    id: Option<&'a str>,
    signature: Option<&'a str>,
    timestamp: Option<&'a str>,
    is_signed: bool,
    is_base64: bool,
    body: &'a str,
}

pub fn run(data: &[u8]) {
    let Ok(delivery) = Delivery::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let now = now();
    let timestamp =
        if delivery.is_signed { Some(now.unix_seconds().to_string()) } else { delivery.timestamp.map(str::to_owned) };
    let signed = webhook_secret().sign(delivery.id.unwrap_or_default(), now, delivery.body.as_bytes());
    let signature = if delivery.is_signed { Some(signed.as_str()) } else { delivery.signature };
    let headers = Headers { id: delivery.id, timestamp: timestamp.as_deref(), signature };
    let verified = verify(&[webhook_secret()], headers, delivery.body.as_bytes(), now);
    // Nobody without the secret can sign, not even an empty body.
    assert_eq!(verified.is_ok(), delivery.is_signed && delivery.id.is_some_and(|id| !id.is_empty()), "{delivery:?}");

    let headers = json!({ID: headers.id, TIMESTAMP: headers.timestamp, SIGNATURE: headers.signature});
    let body = if delivery.is_base64 { delivery.body.to_owned() } else { delivery.body.replace('\u{0}', "") };
    let parts = json!({"body": body, "isBase64Encoded": delivery.is_base64});
    let event = event("POST /api/payments/webhook/provider", &headers, &parts, &serde_json::Value::Null);
    Harness::with(|harness| harness.answer(&event).check(&event));
}
