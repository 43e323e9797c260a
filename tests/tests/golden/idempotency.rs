//! Ids and fingerprints of requests with an idempotency key.

use serde_json::{Value, json};

use crate::compare::assert_golden;
use crate::platform::{Platform, keyed};
use crate::storage::{event_of, signed_in};

#[tokio::test]
async fn idempotency_ids_and_fingerprints_match_the_golden_file() {
    let platform = Platform::new().await;
    platform.rotate_keys(json!({})).await;
    let token = signed_in(&platform, "ada").await;
    platform.sync(&event_of(&platform, "user:created").await).await;
    let ada = platform.principal(&token).await;
    let money = json!({"paymentAccountId": "main", "amount": 5});
    let currency = json!({"paymentAccountId": "main", "amount": 5, "currency": "USD"});
    let send = json!({"fromPaymentAccountId": "main", "toPaymentAccountId": "other", "amount": 7});
    let send_all = json!({
        "fromPaymentAccountId": "main", "toPaymentAccountId": "other", "amount": 7, "currency": "USD", "note": "Dinner é",
    });
    let payment = json!({
        "amount": 2500, "currency": "RWF", "paymentMethod": "MOBILE_MONEY", "customerPhone": "+250 788 123 456",
        "customerEmail": "Cus@Example.com",
    });
    let payment_all = json!({
        "amount": 2500, "currency": "USD", "paymentMethod": "MOBILE_MONEY", "customerPhone": "+250788123456",
        "customerEmail": "cus@example.com", "paymentAccountId": "main",
    });
    let requests = [
        ("open-account", json!({"paymentAccountType": "DEBIT", "paymentAccountId": "main", "balance": 1000})),
        ("open-account", json!({"paymentAccountType": "DEBIT", "paymentAccountId": "other"})),
        ("open-account", json!({"paymentAccountType": "DEBIT"})),
        ("open-account", json!({"paymentAccountType": "DEBIT", "currency": "EUR", "balance": 10, "intakeShards": 4})),
        ("open-account", json!({"paymentAccountType": "CREDIT", "creditLimit": 5000})),
        ("open-account", json!({"paymentAccountType": "CREDIT", "currency": "USD", "creditLimit": 5000})),
        ("open-account", json!({"paymentAccountType": "LOAN", "principal": 300, "disburseTo": "main"})),
        ("deposit", money.clone()),
        ("deposit", currency.clone()),
        ("withdraw", money),
        ("withdraw", currency),
        ("send", send),
        ("send", send_all),
        ("create-payment", payment),
        ("create-payment", payment_all),
    ];
    let mut rows = Vec::new();
    for (index, (endpoint, body)) in requests.iter().enumerate() {
        let key = format!("key {index}");
        let (status, bare) = platform.pay(endpoint, ada, keyed(body, &key)).await;
        let (replayed, quoted) = platform.pay(endpoint, ada, keyed(body, &format!("\"{key}\""))).await;
        assert_eq!((status, &bare), (replayed, &quoted), "{endpoint} {body}");
        assert_eq!(status, 201, "{endpoint} {body}: {bare}");
        let id = if bare["reference"].is_null() { &bare["id"] } else { &bare["reference"] };
        rows.push(json!({"endpoint": endpoint, "key": key, "body": body, "id": id}));
    }
    let refused = json!({"paymentAccountId": "main", "amount": 900_000});
    let (status, _) = platform.pay("withdraw", ada, keyed(&refused, "refused")).await;
    assert_eq!(status, 422);
    let fingerprints: Vec<Value> = platform
        .items("PaymentTable")
        .await
        .iter()
        .filter(|item| !item["fingerprint"].is_null())
        .map(|item| json!({"pk": item["pk"]["S"], "fingerprint": item["fingerprint"]["S"]}))
        .collect();
    assert_golden("idempotency.json", &json!({"requests": rows, "fingerprints": fingerprints}));
}
