//! Signing keys on both sides of the wall, through whole rotations, by a clock that the test turns.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use account::app::cached_signing_key::CachedSigningKey;
use account::domain::{
    AccessTokens, AuditLog, Lifetimes, PROPAGATION_DELAY, RETIREMENT_DELAY, Session, SigningKey, User,
};
use account::events::event_from_record;
use account::http::{Jwks, jwks};
use account::ops::{CfnResponseSender, RotateKeys, rotate_keys};
use account::store::{AuditTable, KeyTables, SigningKeyTable};
use auth::table_keys::TableKeys;
use auth::{Rejection, Verifier};
use aws_sdk_dynamodb::types::AttributeValue;
use contact::Email;
use kernel::testing::SeededRandom;
use kernel::{Clock, Secret, Timestamp, UserId};
use payment::store::Store;
use serde_json::{Value, json};
use testkit::Engine;

const ACCOUNT: &str = "AccountTable";
const SIGNING_KEYS: &str = "SigningKeyTable";
const PAYMENT: &str = "PaymentTable";

const MINUTE: Duration = Duration::from_mins(1);
/// The longest that the template allows.
const TOKEN: Duration = Duration::from_hours(1);
/// How late an event comes.
const DELAY: Duration = Duration::from_mins(9);

/// Stands where the test sets it.
#[derive(Clone)]
struct TestClock(Arc<Mutex<Timestamp>>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

type Item = HashMap<String, AttributeValue>;
type Verifies = Verifier<TableKeys, TestClock>;

/// Both sides of a deployment.
struct Deployment {
    engine: Engine,
    clock: TestClock,
    random: SeededRandom,
    rotate: RotateKeys,
    jwks: Jwks<TableKeys, TestClock>,
    payments: Store,
    /// The public keys as the stream saw them last, by sort key.
    seen: BTreeMap<String, Item>,
    /// Events on their way to the payment side, and when each is there.
    on_their_way: Vec<(Timestamp, String)>,
}

/// An access token, and when it expires.
struct Token {
    text: String,
    kid: String,
    expires_at: Timestamp,
}

/// Somebody else's verifier: it reads the JWKS, keeps it for as long as it may, and takes no other look.
#[derive(Default)]
struct Outsider {
    kids: Vec<String>,
    until: Option<Timestamp>,
}

impl Deployment {
    async fn fresh() -> Self {
        let engine = Engine::start().await;
        for table in [ACCOUNT, SIGNING_KEYS, "AuditTable"] {
            engine.create_table("account", table);
        }
        engine.create_table("payment", PAYMENT);
        let client = || engine.client.clone();
        let clock = TestClock(Arc::new(Mutex::new(Timestamp::parse("2026-01-31T12:00:00Z").unwrap())));
        let audit = AuditTable::new(client(), "AuditTable");
        let rotate = RotateKeys {
            keys: KeyTables::new(client(), ACCOUNT, SIGNING_KEYS, audit, SeededRandom::new(1)),
            policy: "30".parse().unwrap(),
            audit_log: AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24)),
            responses: CfnResponseSender::default(),
            random: Arc::new(SeededRandom::new(2)),
            clock: Arc::new(clock.clone()),
        };
        let mut deployment = Self {
            rotate,
            jwks: Jwks::new(TableKeys::new(client(), ACCOUNT), clock.clone()),
            payments: Store::new(client(), PAYMENT, clock.clone(), SeededRandom::new(3)),
            random: SeededRandom::new(4),
            seen: BTreeMap::new(),
            on_their_way: Vec::new(),
            engine,
            clock,
        };
        deployment.turn(&json!({})).await;
        deployment.wait(DELAY).await;
        deployment
    }

    fn verifier(&self, table: &str) -> Verifies {
        Verifier::new("issuer", "audience", TableKeys::new(self.engine.client.clone(), table), self.clock.clone())
    }

    fn signer(&self) -> CachedSigningKey<SigningKeyTable, TestClock> {
        CachedSigningKey::with_clock(SigningKeyTable::new(self.engine.client.clone(), SIGNING_KEYS), self.clock.clone())
    }

    /// Lets the schedule or an operator turn the ring. The events of it are on their way then. Answers with the keys'
    /// states, in the order in which they sign.
    async fn turn(&mut self, event: &Value) -> Vec<String> {
        let ring = rotate_keys(&self.rotate, event.clone(), "r-1".to_owned()).await.unwrap();
        self.publish().await;
        let ring = serde_json::to_value(ring).unwrap();
        ring["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    }

    /// What the stream and its publisher do.
    async fn publish(&mut self) {
        let query = self.engine.client.query().table_name(ACCOUNT).key_condition_expression("pk = :keys");
        let keys = AttributeValue::S(auth::table_keys::PARTITION.to_owned());
        for new in query.expression_attribute_values(":keys", keys).send().await.unwrap().items() {
            let old = self.seen.insert(new["sk"].as_s().unwrap().clone(), new.clone());
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
            self.on_their_way.push((self.clock.now().plus(DELAY), serde_json::to_string(&event).unwrap()));
        }
    }

    /// Lets time pass, and what is on its way come.
    async fn wait(&mut self, duration: Duration) {
        let now = self.clock.now().plus(duration);
        *self.clock.0.lock().unwrap() = now;
        let (there, on_their_way): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.on_their_way).into_iter().partition(|(at, _)| *at <= now);
        self.on_their_way = on_their_way;
        for (_, body) in there {
            payment::events::inbound::apply(&self.payments, &body).await.unwrap();
        }
    }

    fn token(&self, key: &SigningKey) -> Token {
        let (now, random) = (self.clock.now(), &self.random);
        let person = User::new(UserId::random(random), Email::parse("ada@example.com").unwrap(), None, now);
        let lifetimes = Lifetimes { access_token: TOKEN, idle: TOKEN, absolute: TOKEN };
        let (session, _) = Session::start(&person, None, lifetimes, now, random);
        let text = AccessTokens::new("issuer", "audience").issue(key, &person, &session, now).unwrap();
        let expires_at = session.token_expires_at;
        Token { text: text.expose().clone(), kid: key.kid().to_string(), expires_at }
    }

    async fn ask_for_the_jwks(&self, outsider: &mut Outsider) {
        let now = self.clock.now();
        if outsider.until.is_some_and(|until| now < until) {
            return;
        }
        let answer = jwks(&self.jwks, http_api::Request::default()).await.unwrap();
        let (_, caching) = answer.headers.iter().find(|(name, _)| *name == "cache-control").unwrap();
        let max_age = caching.strip_prefix("public, max-age=").unwrap().parse().map(Duration::from_secs).unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
        outsider.kids = body["keys"].as_array().unwrap().iter().map(kid).collect();
        outsider.until = Some(now.plus(max_age));
    }
}

/// Tokens of one key differ in their age alone.
fn oldest_and_newest_of_each_key(live: &[Token]) -> impl Iterator<Item = &Token> {
    let mut ends: BTreeMap<&str, [&Token; 2]> = BTreeMap::new();
    for token in live {
        ends.entry(&token.kid).or_insert([token, token])[1] = token;
    }
    ends.into_values().flatten()
}

/// An item as a stream's record has it.
fn image(item: &Item) -> Value {
    let value = |value: &AttributeValue| match value {
        AttributeValue::N(digits) => json!({"N": digits}),
        value => json!({"S": value.as_s().unwrap()}),
    };
    item.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect()
}

#[tokio::test]
async fn while_keys_follow_each_other_as_fast_as_they_may_every_live_token_passes_everywhere() {
    let mut deployment = Deployment::fresh().await;
    // Each holds what it has in memory for as long as it may, except the signer that has just started.
    let warm_signer = deployment.signer();
    let warm = [ACCOUNT, PAYMENT].map(|table| deployment.verifier(table));
    let mut outsider = Outsider::default();
    let mut live: Vec<Token> = Vec::new();
    let mut kids = Vec::new();
    let mut states = Vec::new();

    for _ in 0..4 * 60 {
        states.push(deployment.turn(&json!({"rotateNow": true})).await);
        deployment.ask_for_the_jwks(&mut outsider).await;
        for key in [warm_signer.get().await.unwrap(), deployment.signer().get().await.unwrap()] {
            kids.push(key.kid().to_string());
            live.push(deployment.token(&key));
        }
        let now = deployment.clock.now();
        live.retain(|token| now < token.expires_at);
        let cold = [ACCOUNT, PAYMENT].map(|table| deployment.verifier(table));
        for token in oldest_and_newest_of_each_key(&live) {
            for (verifier, who) in warm.iter().chain(&cold).zip(["account", "payment", "new account", "new payment"]) {
                let verdict = verifier.verify(&token.text).await;
                assert!(verdict.is_ok(), "at {now}, {who} function, token of {}: {verdict:?}", token.kid);
            }
            assert!(outsider.kids.contains(&token.kid), "at {now}, outside, token of {}", token.kid);
        }
        deployment.wait(MINUTE).await;
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
async fn a_token_of_a_retired_key_passes_nowhere_once_no_verifier_holds_the_key() {
    let mut deployment = Deployment::fresh().await;
    let warm = [ACCOUNT, PAYMENT].map(|table| deployment.verifier(table));
    for verifier in &warm {
        verifier.warm_up().await.unwrap();
    }
    let former = deployment.signer().get().await.unwrap();
    let overdue = json!({"rotateNow": true});
    assert_eq!(deployment.turn(&overdue).await, ["CURRENT", "NEXT"]);
    deployment.wait(PROPAGATION_DELAY).await;
    assert_eq!(deployment.turn(&overdue).await, ["RETIRING", "CURRENT"]);
    deployment.wait(RETIREMENT_DELAY).await;
    assert_eq!(deployment.turn(&json!({})).await, ["CURRENT"]);
    deployment.wait(auth::MAX_AGE).await;

    // It could be signed only by whoever kept the private half.
    let (kept, good) = (deployment.token(&former), deployment.token(&deployment.signer().get().await.unwrap()));
    let cold = [ACCOUNT, PAYMENT].map(|table| deployment.verifier(table));
    for verifier in warm.iter().chain(&cold) {
        assert!(verifier.verify(&good.text).await.is_ok());
        let verdict = verifier.verify(&kept.text).await;
        assert!(matches!(verdict, Err(Rejection::Invalid(_))), "{verdict:?}");
    }
    let mut outsider = Outsider::default();
    deployment.ask_for_the_jwks(&mut outsider).await;
    assert_eq!(outsider.kids, [good.kid]);
}

#[tokio::test]
async fn a_revoked_key_is_out_on_both_sides_and_its_follower_signs_at_once() {
    let mut deployment = Deployment::fresh().await;
    let leaked = deployment.signer().get().await.unwrap();
    assert_eq!(deployment.turn(&json!({"revoke": leaked.kid()})).await, ["CURRENT"]);
    deployment.wait(DELAY).await;
    let (forged, good) = (deployment.token(&leaked), deployment.token(&deployment.signer().get().await.unwrap()));
    for table in [ACCOUNT, PAYMENT] {
        let verifier = deployment.verifier(table);
        assert!(verifier.verify(&good.text).await.is_ok());
        assert!(matches!(verifier.verify(&forged.text).await, Err(Rejection::Invalid(_))));
    }
}
