//! An integration test of your own: `API_URL=$(make -s url) cargo test -p platform-tests --features stack --test deposit`
#![expect(clippy::disallowed_methods, reason = "API_URL is read by this test only")]

use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};

fn post(path: &str, token: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("{}{path}", std::env::var("API_URL")?);
    for _ in 0..100 {
        let mut response = agent.post(&url).header("authorization", format!("Bearer {token}")).send_json(body)?;
        // A new user becomes known to the payment context through an event. Until then that context responds with 503.
        if response.status() != 503 {
            return Ok(response.body_mut().read_json()?);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(format!("{path} still responds with 503").into())
}

#[test]
fn deposit_is_completed() -> Result<(), Box<dyn Error>> {
    let user = json!({"email": format!("{}@example.com", uuid::Uuid::new_v4()), "password": "correct horse battery"});
    post("/auth/signup", "", &user)?;
    let signed_in = post("/api/auth/login", "", &user)?;
    let token = signed_in["access_token"].as_str().ok_or("no access token")?;
    let account = post("/payments/accounts", token, &json!({"paymentAccountType": "DEBIT"}))?;
    let deposit = json!({"paymentAccountId": account["paymentAccountId"], "amount": 500});
    assert_eq!(post("/payments/deposit", token, &deposit)?["status"], "COMPLETED");
    Ok(())
}
