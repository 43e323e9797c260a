//! The key set against a model: rotations, revocations and time in any order, while tokens are issued and verified.

use std::collections::BTreeMap;
use std::time::Duration;

use auth::table_keys::TableKeys;
use auth::{MAX_AGE, Verifier};
use kernel::testing::{ManualClock, SeededRandom};
use kernel::{Secret, UserId};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{self, Index};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::json;
use testkit::Engine;
use tokio::runtime::Runtime;

use super::*;
use crate::app::cached_signing_key::CachedSigningKey;
use crate::domain::{AccessTokens, PROPAGATION_DELAY, RETIREMENT_DELAY, RefreshToken, SIGNING_KEY_TTL, Session};
use crate::store::SigningKeyTable;
use crate::testing::{ada, audit_log, now, session_and_token};

const CASES: u32 = 12;
const DAY: u64 = 24 * 60 * 60;
/// How long a key signs, in days.
const SIGNS_FOR: u64 = 3;
/// The maximum lifetime of an access token in seconds.
const TOKEN_LIFETIME: u64 = 60 * 60;
/// The time that each step takes, in seconds: more than the verifiers' reload interval.
const STEP: u64 = 6;

prop_state_machine! {
    #![proptest_config(testkit::models::config(CASES))]

    #[test]
    fn key_set_agrees_with_its_model(sequential 1..40 => Keys);
}

#[derive(Debug, Clone)]
enum Step {
    Rotate,
    RotateNow,
    /// A key of the set, in the order in which they sign.
    Revoke(Index),
    RevokeUnknown,
    Issue,
    Wait {
        seconds: u64,
    },
}

/// A key by its number in the order of generation, with its state and the time at which it entered that.
type ModelKey = (usize, KeyState, u64);

#[derive(Debug, Clone)]
struct Model {
    now: u64,
    generated: usize,
    retiring: Vec<(usize, u64)>,
    current: (usize, u64),
    next: Option<(usize, u64)>,
    /// The time of its revocation.
    revoked: BTreeMap<usize, u64>,
    /// The key that the issuer has loaded, and when.
    loaded: Option<(usize, u64)>,
    /// The key and the expiry of each token.
    tokens: Vec<(usize, u64)>,
}

impl Model {
    fn keys(&self) -> Vec<ModelKey> {
        let retiring = self.retiring.iter().map(|(key, since)| (*key, KeyState::Retiring, *since));
        let current = (self.current.0, KeyState::Current, self.current.1);
        retiring.chain([current]).chain(self.next.map(|(key, since)| (key, KeyState::Next, since))).collect()
    }

    fn generate(&mut self) -> (usize, u64) {
        self.generated += 1;
        (self.generated - 1, self.now)
    }

    fn next_is_propagated(&self) -> bool {
        self.next.is_some_and(|(_, since)| self.now >= since + PROPAGATION_DELAY.as_secs())
    }

    fn promote(&mut self) {
        let (key, _) = self.next.take().unwrap();
        self.retiring.push((self.current.0, self.now));
        self.current = (key, self.now);
    }

    fn rotate(&mut self, is_overdue: bool) {
        self.retiring.retain(|(_, since)| self.now < since + RETIREMENT_DELAY.as_secs());
        let ends_at = self.current.1 + SIGNS_FOR * DAY;
        if self.next.is_some() && (is_overdue || self.now >= ends_at) && self.next_is_propagated() {
            self.promote();
        } else if self.next.is_none() && (is_overdue || self.now + DAY >= ends_at) {
            self.next = Some(self.generate());
        }
    }

    fn revoke(&mut self, index: Index) {
        let keys = self.keys();
        let (key, state, _) = keys[index.index(keys.len())];
        match state {
            KeyState::Retiring => self.retiring.retain(|(retiring, _)| *retiring != key),
            KeyState::Next => self.next = None,
            KeyState::Current if self.next_is_propagated() => {
                self.promote();
                self.retiring.pop();
            }
            KeyState::Current => self.current = self.generate(),
        }
        self.revoked.insert(key, self.now);
        self.rotate(false);
    }

    fn issue(&mut self) {
        let is_fresh = |(_, at): &(usize, u64)| self.now < at + SIGNING_KEY_TTL.as_secs();
        let (key, _) = *self.loaded.filter(is_fresh).get_or_insert((self.current.0, self.now));
        if self.loaded.is_none_or(|loaded| !is_fresh(&loaded)) {
            self.loaded = Some((key, self.now));
        }
        self.tokens.push((key, self.now + TOKEN_LIFETIME));
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    /// A deployment that has created its first key.
    fn init_state() -> BoxedStrategy<Self> {
        Just(Self {
            now: 0,
            generated: 1,
            retiring: Vec::new(),
            current: (0, 0),
            next: None,
            revoked: BTreeMap::new(),
            loaded: None,
            tokens: Vec::new(),
        })
        .boxed()
    }

    fn transitions(_state: &Self) -> BoxedStrategy<Step> {
        let seconds = sample::select(vec![60, 300, 600, 3_000, 3_600, 3_960, DAY, 2 * DAY]);
        prop_oneof![
            4 => Just(Step::Rotate),
            3 => Just(Step::RotateNow),
            1 => any::<Index>().prop_map(Step::Revoke),
            1 => Just(Step::RevokeUnknown),
            6 => Just(Step::Issue),
            8 => seconds.prop_map(|seconds| Step::Wait { seconds }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.now += STEP;
        match step {
            Step::Rotate => state.rotate(false),
            Step::RotateNow => state.rotate(true),
            Step::Revoke(index) => state.revoke(*index),
            Step::RevokeUnknown => {}
            Step::Issue => state.issue(),
            Step::Wait { seconds } => state.now += seconds,
        }
        state
    }
}

struct Keys {
    runtime: Runtime,
    deployment: Deployment,
}

struct Deployment {
    engine: Engine,
    clock: ManualClock,
    rotation: RotateKeys,
    signing_key: CachedSigningKey,
    /// It keeps keys in memory, as a function does that has run since the deployment.
    verifier: Verifier<TableKeys>,
    tokens: Vec<Secret<String>>,
    /// The model's numbers of the keys.
    numbers: BTreeMap<String, usize>,
}

fn verifier(engine: &Engine, clock: &ManualClock) -> Verifier<TableKeys> {
    Verifier::new("issuer", "audience", TableKeys::new(engine.client.clone(), "AccountTable"), clock.clone())
}

impl Deployment {
    async fn new() -> Self {
        let engine = Engine::start().await;
        for table in ["AccountTable", "SigningKeyTable", "AuditTable"] {
            engine.create_table("account", table);
        }
        let clock = ManualClock::at(now());
        let audit = AuditTable::new(engine.client.clone(), "AuditTable");
        let random = SeededRandom::new(2);
        let rotation = RotateKeys {
            keys: KeyTables::new(engine.client.clone(), "AccountTable", "SigningKeyTable", audit, random),
            policy: SIGNS_FOR.to_string().parse().unwrap(),
            audit_log: audit_log(),
            responses: CfnResponseSender::default(),
            random: Arc::new(SeededRandom::new(1)),
            clock: Arc::new(clock.clone()),
        };
        let signing_key_table = SigningKeyTable::new(engine.client.clone(), "SigningKeyTable");
        let signing_key = CachedSigningKey::new(signing_key_table, clock.clone());
        let verifier = verifier(&engine, &clock);
        let mut deployment =
            Self { engine, clock, rotation, signing_key, verifier, tokens: Vec::new(), numbers: BTreeMap::new() };
        let view = deployment.rotate(json!({})).await;
        deployment.numbers.insert(view.keys[0].kid.to_string(), 0);
        deployment
    }

    async fn rotate(&self, event: Value) -> KeySetView {
        rotate_keys(&self.rotation, event, "r-1".to_owned()).await.unwrap()
    }

    async fn key_set(&self) -> KeySet {
        self.rotation.keys.load_key_set().await.unwrap().unwrap()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Rotate => drop(self.rotate(json!({})).await),
            Step::RotateNow => drop(self.rotate(json!({"rotateNow": true})).await),
            Step::Revoke(index) => {
                let kids: Vec<_> = self.key_set().await.keys().map(|(key, _)| key.kid.clone()).collect();
                self.rotate(json!({"revoke": kids[index.index(kids.len())]})).await;
            }
            Step::RevokeUnknown => {
                let revoked = rotate_keys(&self.rotation, json!({"revoke": "unknown"}), "r-1".to_owned()).await;
                assert!(matches!(revoked, Err(RotationError::KeyNotFound(_))), "{revoked:?}");
            }
            Step::Issue => {
                let (now, (session, _)) = (self.clock.now(), session_and_token(1));
                let token_expires_at = now.plus(Duration::from_secs(TOKEN_LIFETIME));
                let session = Session { token_expires_at, ..session };
                let refresh_token = RefreshToken::new(ada().id, session.id, &SeededRandom::new(3));
                let key = self.signing_key.get().await.unwrap();
                let tokens = AccessTokens::new("issuer", "audience");
                self.tokens.push(tokens.issue(&key, &ada(), &session, &refresh_token, now).unwrap());
            }
            Step::Wait { seconds } => self.clock.advance(Duration::from_secs(*seconds)),
        }
    }

    /// The key set in the terms of the model. A key that is seen for the first time has the model's number.
    fn in_terms_of(&mut self, expected: &[ModelKey], key_set: &KeySet) -> Vec<ModelKey> {
        let numbers = expected.iter().map(|(number, ..)| *number).chain(std::iter::repeat(usize::MAX));
        let seconds = |at: Timestamp| now().until(at).as_secs();
        key_set
            .keys()
            .zip(numbers)
            .map(|((key, state), number)| {
                (*self.numbers.entry(key.kid.to_string()).or_insert(number), state, seconds(key.since))
            })
            .collect()
    }

    async fn check_tokens(&self, model: &Model) {
        let new_verifier = verifier(&self.engine, &self.clock);
        for (token, (key, expires_at)) in self.tokens.iter().zip(&model.tokens) {
            let is_expired = model.now >= *expires_at;
            let verified = self.verifier.verify(token.expose()).await.map(|principal| principal.user_id);
            let verified_anew = new_verifier.verify(token.expose()).await.map(|principal| principal.user_id);
            match model.revoked.get(key) {
                None if !is_expired => {
                    assert_eq!((&verified, &verified_anew), (&Ok(ada().id), &Ok(ada().id)), "key {key}");
                }
                // A verifier may still have the key in memory.
                Some(at) if model.now < at + MAX_AGE.as_secs() => assert_rejected(&verified_anew, *key),
                _ => {
                    assert_rejected(&verified, *key);
                    assert_rejected(&verified_anew, *key);
                }
            }
        }
    }
}

fn assert_rejected(verified: &Result<UserId, auth::Rejection>, key: usize) {
    assert!(
        matches!(verified, Err(auth::Rejection::Invalid(_) | auth::Rejection::Expired(_))),
        "key {key}: {verified:?}"
    );
}

impl StateMachineTest for Keys {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let deployment = runtime.block_on(Deployment::new());
        Self { runtime, deployment }
    }

    fn apply(mut keys: Self, model: &Model, step: Step) -> Self {
        let Self { runtime, deployment } = &mut keys;
        deployment.clock.advance(Duration::from_secs(STEP));
        runtime.block_on(deployment.take(&step));
        let key_set = runtime.block_on(deployment.key_set());
        let expected = model.keys();
        assert_eq!(deployment.in_terms_of(&expected, &key_set), expected, "{step:?}");
        keys
    }

    fn check_invariants(Self { runtime, deployment }: &Self, model: &Model) {
        runtime.block_on(deployment.check_tokens(model));
    }
}
