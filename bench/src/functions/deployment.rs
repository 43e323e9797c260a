//! The environment of measured functions: tables, users with money, and their requests.

use crate::fixtures::PaymentFixtures;
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

/// The tables, and a key that signs access tokens.
pub struct Deployment {
    pub engine: Engine,
    fixtures: PaymentFixtures,
    key: Ed25519KeyPair,
    issuer: String,
    audience: String,
}

/// A user with an account.
#[derive(Debug, Clone)]
pub struct User {
    token: String,
    pub account: String,
}

impl User {
    /// A user without a token: requests are unauthenticated.
    pub const fn anonymous() -> Self {
        Self { token: String::new(), account: String::new() }
    }
}

impl Deployment {
    /// Creates the tables of `infra/` and a public key. `programs` provide the settings.
    pub async fn new(programs: &[Program]) -> Self {
        let engine = Engine::start().await;
        for stack in ["account", "payment"] {
            for table in template::tables(stack) {
                engine.create_table(stack, &table);
            }
        }
        let fixtures = PaymentFixtures::new(engine.client.clone(), "PaymentTable");
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        let public_key = encoded(&key);
        fixtures.store.put_key(&KeyId::new(KEY_ID), &public_key, 1).await.expect("a key that verifies");
        let setting = |name: &str| {
            let mut values = programs.iter().filter_map(|program| program.environment("").remove(name));
            values.next().unwrap_or_else(|| panic!("a function with {name}"))
        };
        Self { engine, fixtures, key, issuer: setting("TOKEN_ISSUER"), audience: setting("TOKEN_AUDIENCE") }
    }

    /// Creates a replicated user with a DEBIT account of this balance.
    pub async fn user(&self, balance: i64) -> User {
        let principal = self.fixtures.user().await;
        let account = format!("account-{}", principal.user_id);
        self.fixtures.open(principal, &account, balance).await;
        User { token: self.token(principal), account }
    }

    /// Creates a user whose account has write shards.
    pub async fn merchant(&self, shards: u8) -> User {
        let principal = self.fixtures.user().await;
        let account = format!("account-{}", principal.user_id);
        self.fixtures.open_with_shards(principal, &account, shards).await;
        User { token: self.token(principal), account }
    }

    /// Signs up and in the user of the sample events, with the functions themselves. The user has no account.
    pub async fn member(&self, programs: &[Program]) -> User {
        self.member_with(programs, "ada@example.com", "+250788123456").await
    }

    /// As [`member`](Self::member), with this e-mail address and phone number.
    pub async fn member_with(&self, programs: &[Program], email: &str, phone: &str) -> User {
        let anonymous = User::anonymous();
        let of_member = |name| {
            let mut event = event(name, &anonymous, &anonymous);
            let body = event["body"].as_str().unwrap_or_default();
            event["body"] = json!(body.replace("ada@example.com", email).replace("+250788123456", phone));
            event
        };
        let mut response = Value::Null;
        for (name, event) in
            [("rotate-keys", json!({})), ("register", of_member("register")), ("login", of_member("login"))]
        {
            let program = programs.iter().find(|program| program.name == name);
            let program = program.unwrap_or_else(|| panic!("{name} is not a function"));
            let function = Function::start(&program.path, &program.environment(&self.engine.url), &[]).await;
            response = function.invoke(&event).await.expect("a response");
        }
        let body: Value = serde_json::from_str(response["body"].as_str().expect("a body")).expect("JSON");
        let token = body["access_token"].as_str().unwrap_or_else(|| panic!("login returned {response}"));
        User { token: token.to_owned(), ..anonymous }
    }

    /// What verifies access tokens: the public key, which is base64, the issuer and the audience.
    pub fn verification(&self) -> (String, &str, &str) {
        (encoded(&self.key), &self.issuer, &self.audience)
    }

    /// Signs an access token as the account context does.
    fn token(&self, principal: Principal) -> String {
        let now = SystemClock.now().unix_seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: principal.user_id,
            sid: principal.session_id,
            jti: Some("kZ3vQ0pT7mWc1xYb8nRfLg".to_owned()),
            client_id: Some(auth::CLIENT_ID.to_owned()),
            epoch: principal.epoch,
            iat: now,
            exp: now + 3600,
            email: Some("user@example.com".to_owned()),
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

fn encoded(key: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(key.public_key().as_ref())
}

/// The sample event of a function, with this user's token and these accounts.
pub fn event(binary: &str, user: &User, payee: &User) -> Value {
    let path = template::root().join("events").join(format!("{binary}.json"));
    let sample = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut event: Value = serde_json::from_str(&sample).expect("an event in JSON");
    if let Some(headers) = event["headers"].as_object_mut() {
        // Each invocation is another request.
        headers.remove("idempotency-key");
        headers.insert("authorization".to_owned(), format!("Bearer {}", user.token).into());
    }
    if let Some(body) = event["body"].as_str() {
        let body = body.replace("ada-main", &user.account).replace("ben-main", &payee.account);
        event["body"] = body.into();
    }
    event
}
