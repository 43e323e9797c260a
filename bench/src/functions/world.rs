//! Where functions are measured: the tables, people with money, and requests of theirs.

use crate::wallets::Wallets;
use auth::{Claims, Principal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Clock, KeyId, SystemClock};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use testkit::Engine;

use super::lambda::Function;
use super::programs::Program;
use super::template;

const KEY_ID: &str = "bench";

/// The tables, and the key that signs tokens for what is in them.
pub struct World {
    /// DynamoDB, with the tables.
    pub engine: Engine,
    wallets: Wallets,
    key: Ed25519KeyPair,
    issuer: String,
    audience: String,
}

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct User {
    token: String,
    /// Their account.
    pub account: String,
}

impl World {
    /// The tables as `infra/` makes them, with a key that verifies. `programs` are those that will be measured.
    pub async fn new(programs: &[Program]) -> Self {
        let engine = Engine::start().await;
        for stack in ["account", "payment"] {
            for table in template::tables(stack) {
                engine.create_table(stack, &table);
            }
        }
        let wallets = Wallets::new(engine.client.clone(), "PaymentTable");
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        let public_key = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
        wallets.store.put_key(&KeyId::new(KEY_ID), &public_key, 1).await.expect("a key that verifies");
        let setting = |name: &str| {
            let mut values = programs.iter().filter_map(|program| program.environment("").remove(name));
            values.next().unwrap_or_else(|| panic!("a function with {name}"))
        };
        Self { engine, wallets, key, issuer: setting("TOKEN_ISSUER"), audience: setting("TOKEN_AUDIENCE") }
    }

    /// Somebody known on the payment side, with a DEBIT account that holds this much.
    pub async fn user(&self, balance: i64) -> User {
        let principal = self.wallets.user().await;
        let account = format!("account-{}", principal.user_id);
        self.wallets.open(principal, &account, balance).await;
        User { token: self.token(principal), account }
    }

    /// Somebody whose account takes in money in so many shards.
    pub async fn merchant(&self, shards: u8) -> User {
        let principal = self.wallets.user().await;
        let account = format!("account-{}", principal.user_id);
        self.wallets.open_with_shards(principal, &account, shards).await;
        User { token: self.token(principal), account }
    }

    /// Whoever the sample events have sign up and in, by the functions themselves: they have no account that holds money.
    pub async fn member(&self, programs: &[Program]) -> User {
        let nobody = User { token: String::new(), account: String::new() };
        let mut answer = Value::Null;
        for (name, event) in [
            ("rotate-keys", json!({})),
            ("register", event("register", &nobody, &nobody)),
            ("login", event("login", &nobody, &nobody)),
        ] {
            let program = programs.iter().find(|program| program.name == name);
            let program = program.unwrap_or_else(|| panic!("{name} is no function"));
            let function = Function::start(&program.path, &program.environment(&self.engine.url), &[]).await;
            answer = function.invoke(&event).await.expect("an answer");
        }
        let body: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("JSON");
        let token = body["access_token"].as_str().unwrap_or_else(|| panic!("login answered {answer}"));
        User { token: token.to_owned(), ..nobody }
    }

    /// An access token, as the account context signs them.
    fn token(&self, principal: Principal) -> String {
        let now = SystemClock.now().unix_seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: principal.user_id,
            sid: principal.session_id,
            epoch: principal.epoch,
            iat: now,
            exp: now + 3600,
            email: Some("somebody@example.com".to_owned()),
            email_verified: true,
            phone_number: None,
            phone_number_verified: false,
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({"alg": "EdDSA", "typ": auth::TOKEN_TYPE, "kid": KEY_ID});
        let signed = format!("{}.{}", part(&head), part(&serde_json::to_value(claims).expect("claims")));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// The sample event of a function, as this person would send it, between these accounts.
pub fn event(binary: &str, user: &User, payee: &User) -> Value {
    let path = template::root().join("events").join(format!("{binary}.json"));
    let sample = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut event: Value = serde_json::from_str(&sample).expect("an event in JSON");
    if let Some(headers) = event["headers"].as_object_mut() {
        // Each invocation is a request of its own.
        headers.remove("idempotency-key");
        headers.insert("authorization".to_owned(), format!("Bearer {}", user.token).into());
    }
    if let Some(body) = event["body"].as_str() {
        let body = body.replace("ada-wallet", &user.account).replace("bob-wallet", &payee.account);
        event["body"] = body.into();
    }
    event
}
