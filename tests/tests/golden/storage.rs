//! Items of every kind, and the events that are published from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use lambda_http::RequestExt;
use platform_tests::functions::TABLES;
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::compare::assert_golden;
use crate::platform::{Platform, keyed, request};

const PASSWORD: &str = "correct horse battery staple";
const OTHER_PASSWORD: &str = "another horse battery staple";

/// Signs a user up and in; the access token.
pub(crate) async fn signed_in(platform: &Platform, name: &str) -> String {
    let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    assert_eq!(platform.auth("POST /auth/signup", None, &body, "").await.0, 201);
    let (status, tokens) = platform.auth("POST /api/auth/login", None, &body, "").await;
    assert_eq!(status, 200, "{tokens}");
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// The first event of this type that the tables imply.
pub(crate) async fn event_of(platform: &Platform, name: &str) -> String {
    let events = platform.events().await;
    let quoted = format!("\"{name}\"");
    events.into_iter().find(|event| event.contains(&quoted)).expect("an event of this type")
}

/// What has been stored and published so far.
#[derive(Default)]
struct Recording {
    items: BTreeMap<String, BTreeSet<String>>,
    events: BTreeSet<String>,
}

impl Recording {
    async fn take(&mut self, platform: &Platform) {
        for (_, table) in TABLES {
            let items = platform.items(table).await;
            self.items
                .entry(table.to_owned())
                .or_default()
                .extend(items.into_iter().map(|item| masked(&without_random_keys(item).to_string())));
        }
        let events = platform.events().await;
        for event in events {
            // An event that was published before is applied again, which changes nothing.
            if event.contains("\"user:") || event.contains("\"session:") || event.contains("\"signing-key:") {
                platform.sync(&event).await;
            }
            self.events.insert(masked(&event));
        }
    }
}

/// The item with the maps under session ids as the sorted lists of their values.
fn without_random_keys(mut item: Value) -> Value {
    for name in ["endedSessions", "tokensIssuedBefore"] {
        if let Some(sessions) = item[name]["M"].as_object() {
            let mut values: Vec<_> = sessions.values().cloned().collect();
            values.sort_by_key(Value::to_string);
            item[name]["M"] = json!({"<uuid>": values});
        }
    }
    item
}

/// The text with the form of every random value in place of the value, so that who draws randomness first does not matter.
fn masked(text: &str) -> String {
    static RANDOM: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
        let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[478][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
        [
            (uuid, "<uuid>"),
            ("Z#[0-9a-f]{32}", "Z#<uuid>"),
            (r#"(#\d{4}-\d{2}-\d{2}#)[0-9a-f]""#, "${1}<digit>\""),
            ("PAY-[0-9A-HJKMNP-TV-Z]{26}", "PAY-<ulid>"),
            (r"\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", "$$<salt>$$<hash>"),
            ("[A-Za-z0-9_+/-]{43,}=*", "<base64url>"),
        ]
        .map(|(pattern, form)| (Regex::new(pattern).unwrap(), form))
    });
    RANDOM.iter().fold(text.to_owned(), |text, (pattern, form)| pattern.replace_all(&text, *form).into_owned())
}

#[tokio::test]
async fn stored_items_and_events_match_the_golden_files() {
    let platform = Platform::new().await;
    let mut recording = Recording::default();
    Box::pin(identities(&platform, &mut recording)).await;
    Box::pin(ledger(&platform, &mut recording)).await;
    Box::pin(collections(&platform, &mut recording)).await;
    Box::pin(key_rotation(&platform, &mut recording)).await;
    let parsed = |texts: &BTreeSet<String>| -> Vec<Value> {
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    };
    let items: BTreeMap<_, _> = recording.items.iter().map(|(table, items)| (table, parsed(items))).collect();
    assert_golden("items.json", &json!(items));
    assert_golden("events.json", &json!(recording.events));
}

async fn identities(platform: &Platform, recording: &mut Recording) {
    platform.rotate_keys(json!({})).await;
    let ada = json!({"email": "ada@example.com", "phone": "+33612345678", "password": PASSWORD});
    assert_eq!(platform.auth("POST /api/auth/register", None, &ada, "").await.0, 201);
    recording.take(platform).await;
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let login = async |body: &Value| {
        platform.wait(1);
        let (status, tokens) = platform.auth("POST /api/auth/login", None, body, "").await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    };
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let first = login(&credentials).await;
    assert_eq!(platform.auth("POST /auth/signin", None, &credentials, "").await.0, 200);
    recording.take(platform).await;

    for (email, failures) in [("ada@example.com", 6), ("unknown@example.com", 1)] {
        for _ in 0..failures {
            let wrong = json!({"email": email, "password": "wrong password"});
            assert!(platform.auth("POST /auth/signin", None, &wrong, "").await.0 >= 401);
        }
    }
    recording.take(platform).await;
    platform.wait(3600 / 2);

    let second = login(&json!({"phone": "+33612345678", "password": PASSWORD})).await;
    let refresh = json!({"refresh_token": text(&first, "refresh_token")});
    assert_eq!(platform.auth("POST /auth/refresh", None, &refresh, "").await.0, 200);
    recording.take(platform).await;
    platform.wait(60);
    assert_eq!(platform.auth("POST /auth/refresh", None, &refresh, "").await.0, 401, "a reused token");
    recording.take(platform).await;

    let third = login(&credentials).await;
    let access = text(&second, "access_token");
    let session = platform.principal(&text(&third, "access_token")).await.session_id.to_string();
    assert_eq!(platform.auth("DELETE /auth/sessions/{id}", Some(&access), &json!({}), &session).await.0, 204);
    assert_eq!(
        platform.auth("POST /auth/verifications", Some(&access), &json!({"identifier": "email"}), "").await.0,
        202
    );
    recording.take(platform).await;
    let wrong = if platform.code() == "000000" { "000001" } else { "000000" };
    let confirm = async |code: &str| {
        platform
            .auth("POST /auth/verifications/confirm", Some(&access), &json!({"identifier": "email", "code": code}), "")
            .await
            .0
    };
    assert_eq!(confirm(wrong).await, 400);
    recording.take(platform).await;
    assert_eq!(confirm(&platform.code()).await, 200);
    recording.take(platform).await;

    let change = json!({"currentPassword": "wrong password", "newPassword": OTHER_PASSWORD});
    assert_eq!(platform.auth("POST /auth/password", Some(&access), &change, "").await.0, 403);
    recording.take(platform).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD});
    let (status, changed) = platform.auth("POST /auth/password", Some(&access), &change, "").await;
    assert_eq!(status, 200, "{changed}");
    let access = text(&changed, "access_token");
    let update = json!({"email": "ada@example.org", "phone": null, "currentPassword": OTHER_PASSWORD});
    let (status, updated) = platform.auth("PATCH /auth/me", Some(&access), &update, "").await;
    assert_eq!(status, 200, "{updated}");
    recording.take(platform).await;

    let credentials = json!({"email": "ada@example.org", "password": OTHER_PASSWORD});
    for scope in ["others", "local", "global"] {
        let tokens = login(&credentials).await;
        assert_eq!(
            platform.auth("POST /auth/signout", Some(&text(&tokens, "access_token")), &json!({}), scope).await.0,
            200
        );
        recording.take(platform).await;
    }
    for status in ["SUSPENDED", "ACTIVE"] {
        platform.set_status(json!({"email": "ada@example.org", "status": status, "reason": "golden"})).await;
        recording.take(platform).await;
    }
}

async fn key_rotation(platform: &Platform, recording: &mut Recording) {
    // The next key is published, then it signs, then the former one retires.
    for seconds in [29 * 86_400, 86_400, 86_400, 86_400] {
        platform.wait(seconds);
        platform.rotate_keys(json!({})).await;
        recording.take(platform).await;
    }
    let keys = platform.rotate_keys(json!({"rotateNow": true})).await;
    recording.take(platform).await;
    let current = keys["keys"].as_array().unwrap().iter().find(|key| key["state"] == "CURRENT");
    let current = current.and_then(|key| key["kid"].as_str()).unwrap();
    platform.rotate_keys(json!({"revoke": current})).await;
    recording.take(platform).await;
}

async fn ledger(platform: &Platform, recording: &mut Recording) {
    let token = signed_in(platform, "ben").await;
    recording.take(platform).await;
    let ben = platform.principal(&token).await;
    let unkeyed = async |endpoint: &str, body: Value, expected: u16| {
        platform.wait(1);
        let (status, answered) = platform.pay(endpoint, ben, request(&body)).await;
        assert_eq!(status, expected, "{endpoint} {body}: {answered}");
    };
    let keyed = async |endpoint: &str, key: &str, body: Value, expected: u16| {
        platform.wait(1);
        let (status, answered) = platform.pay(endpoint, ben, keyed(&body, key)).await;
        assert_eq!(status, expected, "{endpoint} {body}: {answered}");
    };
    let open = "open-account";
    keyed(open, "a", json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ben-main", "balance": 1000}), 201)
        .await;
    unkeyed(open, json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ben-eur", "currency": "EUR"}), 201).await;
    unkeyed(open, json!({"paymentAccountType": "CREDIT", "paymentAccountId": "ben-credit", "creditLimit": 500}), 201)
        .await;
    unkeyed(
        open,
        json!({
            "paymentAccountType": "LOAN", "paymentAccountId": "ben-loan", "principal": 300, "disburseTo": "ben-main",
        }),
        201,
    )
    .await;
    unkeyed(open, json!({"paymentAccountType": "DEBIT", "paymentAccountId": "ben-shop", "intakeShards": 1}), 201).await;
    recording.take(platform).await;
    unkeyed("deposit", json!({"paymentAccountId": "ben-main", "amount": 50}), 201).await;
    keyed("withdraw", "w", json!({"paymentAccountId": "ben-main", "amount": 20}), 201).await;
    let send = |to: &str, amount: i64| {
        json!({
            "fromPaymentAccountId": "ben-main", "toPaymentAccountId": to, "amount": amount, "note": "Thé",
        })
    };
    keyed("send", "s", send("ben-loan", 100), 201).await;
    platform.conflict_on(2, 3);
    unkeyed("send", send("ben-shop", 30), 201).await;
    recording.take(platform).await;
    unkeyed("withdraw", json!({"paymentAccountId": "ben-shop", "amount": 30}), 201).await;
    keyed("send", "f1", send("ben-main", 1), 422).await;
    keyed("send", "f2", send("nobody", 1), 404).await;
    keyed("send", "f3", send("ben-eur", 1), 422).await;
    keyed("send", "f4", send("ben-credit", 900_000), 422).await;
    keyed("send", "f5", send("ben-loan", 900), 422).await;
    keyed("withdraw", "f6", json!({"paymentAccountId": "ben-eur", "amount": 1}), 422).await;
    keyed("withdraw", "f7", json!({"paymentAccountId": "nobody", "amount": 1}), 404).await;
    recording.take(platform).await;
    let loan = json!({
        "userId": ben.user_id, "paymentAccountType": "LOAN", "paymentAccountId": "ben-granted", "currency": "USD",
        "amount": 200, "disburseTo": "ben-main", "key": "o", "reason": "golden",
    });
    assert_eq!(platform.open_credit(loan.clone()).await["replayed"], false);
    assert_eq!(platform.open_credit(loan).await["replayed"], true);
    recording.take(platform).await;
    let update = request(&json!({"intakeShards": 2}));
    let update = update.with_path_parameters(HashMap::from([("id".to_owned(), "ben-eur".to_owned())]));
    assert_eq!(platform.pay("update-account", ben, update).await.0, 200);
    recording.take(platform).await;
    let command = json!({"paymentAccountId": "ben-shop", "intakeShards": 0, "reason": "golden"});
    assert_eq!(platform.set_write_shards(command).await["intakeShards"], 0);
    recording.take(platform).await;
}

async fn collections(platform: &Platform, recording: &mut Recording) {
    let token = signed_in(platform, "cleo").await;
    recording.take(platform).await;
    let cleo = platform.principal(&token).await;
    let account = json!({"paymentAccountType": "DEBIT", "paymentAccountId": "cleo"});
    assert_eq!(platform.pay("open-account", cleo, request(&account)).await.0, 201);
    let create = async |account: bool| {
        platform.wait(1);
        let mut body = json!({
            "amount": 2500, "currency": "USD", "paymentMethod": "MOBILE_MONEY", "customerPhone": "+250788123456",
            "customerEmail": "cus@example.com",
        });
        if account {
            body["paymentAccountId"] = json!("cleo");
        }
        let (status, payment) = platform.pay("create-payment", cleo, request(&body)).await;
        assert_eq!(status, 201, "{payment}");
        payment["reference"].as_str().unwrap().to_owned()
    };
    let to = async |reference: &str, status: &str| {
        use lambda_http::RequestExt;
        platform.wait(1);
        let parameters = std::collections::HashMap::from([("reference".to_owned(), reference.to_owned())]);
        let request = request(&json!({"status": status})).with_path_parameters(parameters);
        let (code, answered) = platform.pay("update-payment-status", cleo, request).await;
        assert_eq!(code, 200, "{answered}");
    };
    let webhook = async |id: &str, reference: &str, status: &str, transaction: &str| {
        platform.wait(1);
        let body = json!({"reference": reference, "status": status, "providerTransactionId": transaction});
        platform.notify(id, &body).await.0
    };
    let (by_owner, by_provider, without_account) = (create(true).await, create(true).await, create(false).await);
    recording.take(platform).await;
    for reference in [&by_owner, &by_provider, &without_account] {
        to(reference, "PENDING").await;
    }
    recording.take(platform).await;
    to(&by_owner, "SUCCESS").await;
    to(&without_account, "FAILED").await;
    assert_eq!(webhook("msg-1", &by_provider, "PENDING", "MTN-1").await, 200);
    assert_eq!(webhook("msg-2", &by_provider, "SUCCESS", "MTN-1").await, 200);
    assert_eq!(webhook("msg-3", &by_provider, "SUCCESS", "MTN-1").await, 200);
    assert_eq!(webhook("msg-4", &by_provider, "PENDING", "MTN-1").await, 200);
    assert_eq!(webhook("msg-5", &by_provider, "FAILED", "MTN-1").await, 200);
    assert_eq!(webhook("msg-6", &by_provider, "SUCCESS", "MTN-2").await, 200);
    recording.take(platform).await;
}
