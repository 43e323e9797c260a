//! Key rotation across both contexts: verifiers of the account side, of the payment side, and outside the platform.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic fails the test and names the line")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use account::app::cached_signing_key::CachedSigningKey;
use account::domain::{
    AccessTokens, AuditLog, Lifetimes, PROPAGATION_DELAY, RETIREMENT_DELAY, Session, SigningKey, User,
};
use account::events::event_from_record;
use account::http::jwks;
use account::ops::{CfnResponseSender, RotateKeys, rotate_keys};
use account::store::{AuditTable, KeyTables, SigningKeyTable};
use auth::table_keys::TableKeys;
use auth::{Rejection, Verifier};
use aws_sdk_dynamodb::types::AttributeValue;
use contact::Email;
use kernel::testing::{ManualClock, SeededRandom};
use kernel::{Clock, Secret, Timestamp, UserId};
use payment::store::Store;
use serde_json::{Value, json};
use testkit::Engine;

const ACCOUNT: &str = "AccountTable";
const SIGNING_KEYS: &str = "SigningKeyTable";
const PAYMENT: &str = "PaymentTable";

const MINUTE: Duration = Duration::from_mins(1);
/// The maximum token lifetime that the template allows.
const TOKEN_LIFETIME: Duration = Duration::from_hours(1);
/// The delay of events.
const EVENT_DELAY: Duration = Duration::from_mins(9);

type Item = HashMap<String, AttributeValue>;

/// Both contexts of a platform.
struct Platform {
    engine: Engine,
    clock: ManualClock,
    random: SeededRandom,
    rotate: RotateKeys,
    jwks: jwks::State,
    payments: Store,
    /// The public keys as last published by the stream, by sort key.
    published: BTreeMap<String, Item>,
    /// Events that the payment side has not received yet, with the time of delivery.
    in_flight: Vec<(Timestamp, String)>,
}

struct Token {
    text: String,
    kid: String,
    expires_at: Timestamp,
}

/// A verifier outside the platform, which caches the JWKS for its max-age.
#[derive(Default)]
struct ExternalVerifier {
    kids: Vec<String>,
    until: Option<Timestamp>,
}

impl Platform {
    async fn new() -> Self {
        let engine = Engine::start().await;
        for table in [ACCOUNT, SIGNING_KEYS, "AuditTable"] {
            engine.create_table("account", table);
        }
        engine.create_table("payment", PAYMENT);
        let client = || engine.client.clone();
        let clock = ManualClock::at(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        let audit = AuditTable::new(client(), "AuditTable");
        let rotate = RotateKeys {
            keys: KeyTables::new(client(), ACCOUNT, SIGNING_KEYS, audit, SeededRandom::new(1)),
            policy: "30".parse().unwrap(),
            audit_log: AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24)),
            responses: CfnResponseSender::default(),
            random: Arc::new(SeededRandom::new(2)),
            clock: Arc::new(clock.clone()),
        };
        let mut platform = Self {
            rotate,
            jwks: jwks::State::new(TableKeys::new(client(), ACCOUNT), clock.clone()),
            payments: Store::new(client(), PAYMENT, clock.clone(), SeededRandom::new(3)),
            random: SeededRandom::new(4),
            published: BTreeMap::new(),
            in_flight: Vec::new(),
            engine,
            clock,
        };
        platform.rotate(&json!({})).await;
        platform.wait(EVENT_DELAY).await;
        platform
    }

    fn verifier(&self, table: &str) -> Verifier<TableKeys> {
        Verifier::new("issuer", "audience", TableKeys::new(self.engine.client.clone(), table), self.clock.clone())
    }

    fn signer(&self) -> CachedSigningKey {
        CachedSigningKey::new(SigningKeyTable::new(self.engine.client.clone(), SIGNING_KEYS), self.clock.clone())
    }

    /// Rotates the keys as the schedule or an operator does, and publishes the events. Returns the states of the keys, in
    /// the order in which they sign.
    async fn rotate(&mut self, event: &Value) -> Vec<String> {
        let key_set = rotate_keys(&self.rotate, event.clone(), "r-1".to_owned()).await.unwrap();
        self.publish().await;
        let key_set = serde_json::to_value(key_set).unwrap();
        key_set["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Publishes the changes of public keys, as the table's stream and the publisher do.
    async fn publish(&mut self) {
        let query = self.engine.client.query().table_name(ACCOUNT).key_condition_expression("pk = :keys");
        let keys = AttributeValue::S(auth::table_keys::PARTITION.to_owned());
        for new in query.expression_attribute_values(":keys", keys).send().await.unwrap().items() {
            let old = self.published.insert(new["sk"].as_s().unwrap().clone(), new.clone());
            if old.as_ref() == Some(new) {
                continue;
            }
            let record = json!({
                "eventID": "e", "eventName": if old.is_none() { "INSERT" } else { "MODIFY" }, "awsRegion": "eu-west-1",
                "dynamodb": {
                    "Keys": {"pk": image(new)["pk"], "sk": image(new)["sk"]}, "NewImage": image(new),
                    "OldImage": old.as_ref().map(image), "SequenceNumber": "1", "SizeBytes": 1
                }
            });
            let event = event_from_record(&serde_json::from_value(record).unwrap()).unwrap().unwrap();
            self.in_flight.push((self.clock.now().plus(EVENT_DELAY), serde_json::to_string(&event).unwrap()));
        }
    }

    /// Advances the clock and delivers the events that are due.
    async fn wait(&mut self, duration: Duration) {
        let now = self.clock.now().plus(duration);
        self.clock.advance(duration);
        let (due, in_flight): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.in_flight).into_iter().partition(|(at, _)| *at <= now);
        self.in_flight = in_flight;
        for (_, body) in due {
            payment::events::inbound::apply(&self.payments, &body).await.unwrap();
        }
    }

    fn token(&self, key: &SigningKey) -> Token {
        let (now, random) = (self.clock.now(), &self.random);
        let user = User::new(UserId::random(random), Email::parse("ada@example.com").unwrap(), None, now);
        let lifetimes = Lifetimes { access_token: TOKEN_LIFETIME, idle: TOKEN_LIFETIME, absolute: TOKEN_LIFETIME };
        let (session, refresh_token) = Session::start(&user, None, lifetimes, now, random);
        let text = AccessTokens::new("issuer", "audience").issue(key, &user, &session, &refresh_token, now).unwrap();
        let expires_at = session.token_expires_at;
        Token { text: text.expose().clone(), kid: key.kid().to_string(), expires_at }
    }

    async fn fetch_jwks(&self, external: &mut ExternalVerifier) {
        let now = self.clock.now();
        if external.until.is_some_and(|until| now < until) {
            return;
        }
        let response = jwks::handle(&self.jwks, http_api::Request::default()).await.unwrap();
        let (_, caching) = response.headers.iter().find(|(name, _)| *name == "cache-control").unwrap();
        let max_age = caching.strip_prefix("public, max-age=").unwrap().parse().map(Duration::from_secs).unwrap();
        let body: Value = serde_json::from_str(&response.body).unwrap();
        let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
        external.kids = body["keys"].as_array().unwrap().iter().map(kid).collect();
        external.until = Some(now.plus(max_age));
    }
}

/// Tokens of one key differ only in their age.
fn oldest_and_newest_of_each_key(live: &[Token]) -> impl Iterator<Item = &Token> {
    let mut ends: BTreeMap<&str, [&Token; 2]> = BTreeMap::new();
    for token in live {
        ends.entry(&token.kid).or_insert([token, token])[1] = token;
    }
    ends.into_values().flatten()
}

/// An item as represented in a stream record.
fn image(item: &Item) -> Value {
    let value = |value: &AttributeValue| match value {
        AttributeValue::N(digits) => json!({"N": digits}),
        value => json!({"S": value.as_s().unwrap()}),
    };
    item.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect()
}

#[tokio::test]
async fn every_valid_token_is_accepted_during_fast_rotations() {
    let mut platform = Platform::new().await;
    // These keep their caches throughout. The cold ones are created in each step.
    let warm_signer = platform.signer();
    let warm = [ACCOUNT, PAYMENT].map(|table| platform.verifier(table));
    let mut external = ExternalVerifier::default();
    let mut live: Vec<Token> = Vec::new();
    let mut kids = Vec::new();
    let mut states = Vec::new();

    for _ in 0..4 * 60 {
        states.push(platform.rotate(&json!({"rotateNow": true})).await);
        platform.fetch_jwks(&mut external).await;
        for key in [warm_signer.get().await.unwrap(), platform.signer().get().await.unwrap()] {
            kids.push(key.kid().to_string());
            live.push(platform.token(&key));
        }
        let now = platform.clock.now();
        live.retain(|token| now < token.expires_at);
        let cold = [ACCOUNT, PAYMENT].map(|table| platform.verifier(table));
        for token in oldest_and_newest_of_each_key(&live) {
            for (verifier, who) in warm.iter().chain(&cold).zip(["account", "payment", "new account", "new payment"]) {
                let outcome = verifier.verify(&token.text).await;
                assert!(outcome.is_ok(), "at {now}, {who} function, token of {}: {outcome:?}", token.kid);
            }
            assert!(external.kids.contains(&token.kid), "at {now}, external verifier, token of {}", token.kid);
        }
        platform.wait(MINUTE).await;
    }

    kids.sort_unstable();
    kids.dedup();
    assert!(kids.len() >= 4, "{} keys have signed", kids.len());
    states.dedup();
    for step in [vec!["CURRENT", "NEXT"], vec!["RETIRING", "CURRENT", "NEXT"]] {
        assert!(states.iter().any(|states| *states == step), "{states:?}");
    }
}

#[tokio::test]
async fn token_of_a_retired_key_is_rejected_after_max_age() {
    let mut platform = Platform::new().await;
    let warm = [ACCOUNT, PAYMENT].map(|table| platform.verifier(table));
    for verifier in &warm {
        verifier.warm_up().await;
    }
    let former = platform.signer().get().await.unwrap();
    let overdue = json!({"rotateNow": true});
    assert_eq!(platform.rotate(&overdue).await, ["CURRENT", "NEXT"]);
    platform.wait(PROPAGATION_DELAY).await;
    assert_eq!(platform.rotate(&overdue).await, ["RETIRING", "CURRENT"]);
    platform.wait(RETIREMENT_DELAY).await;
    assert_eq!(platform.rotate(&json!({})).await, ["CURRENT"]);
    platform.wait(auth::MAX_AGE).await;

    // A token signed by someone who has kept the private key.
    let (kept, valid) = (platform.token(&former), platform.token(&platform.signer().get().await.unwrap()));
    let cold = [ACCOUNT, PAYMENT].map(|table| platform.verifier(table));
    for verifier in warm.iter().chain(&cold) {
        assert!(verifier.verify(&valid.text).await.is_ok());
        let outcome = verifier.verify(&kept.text).await;
        assert!(matches!(outcome, Err(Rejection::Invalid(_))), "{outcome:?}");
    }
    let mut external = ExternalVerifier::default();
    platform.fetch_jwks(&mut external).await;
    assert_eq!(external.kids, [valid.kid]);
}

#[tokio::test]
async fn revoked_key_is_rejected_and_its_successor_signs() {
    let mut platform = Platform::new().await;
    let leaked = platform.signer().get().await.unwrap();
    assert_eq!(platform.rotate(&json!({"revoke": leaked.kid()})).await, ["CURRENT"]);
    platform.wait(EVENT_DELAY).await;
    let (forged, valid) = (platform.token(&leaked), platform.token(&platform.signer().get().await.unwrap()));
    for table in [ACCOUNT, PAYMENT] {
        let verifier = platform.verifier(table);
        assert!(verifier.verify(&valid.text).await.is_ok());
        assert!(matches!(verifier.verify(&forged.text).await, Err(Rejection::Invalid(_))));
    }
}
