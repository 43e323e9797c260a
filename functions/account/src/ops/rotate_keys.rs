//! The keys that sign access tokens: that there is one, and that another follows it in time.

use kernel::{Clock, KeyId, Random, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::custom_resource::{DeliverResponse, DeliveryFailed, Request, RequestType, Response};
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Due, InvalidSigningKey, KeySet, KeySetChange,
    KeySetEntry, KeyState, RotationPolicy, SigningKey,
};
use crate::store::{ApplyRotation, LoadKeySet, StoreError};

/// What the function needs.
#[derive(Debug)]
pub struct RotateKeys<S, D, R, C> {
    /// Where the ring and the keys are.
    pub keys: S,
    /// How long a key signs.
    pub policy: RotationPolicy,
    /// Makes the records of what becomes of them.
    pub audit_log: AuditLog,
    /// How CloudFormation is answered.
    pub responses: D,
    /// For new keys.
    pub random: R,
    /// For what is due.
    pub clock: C,
}

/// What the schedule or an operator asks. Nothing in particular: do what is due.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    /// The key that signs is due, however young it is. The next one is published, or promoted if it has been for long
    /// enough.
    #[serde(default)]
    rotate_now: bool,
    /// Somebody else may have this key: it is to be out at once.
    revoke: Option<KeyId>,
}

/// The ring, as an operator is told of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ring {
    keys: Vec<Key>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Key {
    kid: KeyId,
    state: KeyState,
    /// Since when it is in this state.
    since: Timestamp,
}

/// Why the ring is not as it should be, or CloudFormation was not told of it.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Generating(#[from] InvalidSigningKey),
    /// The ring could not be loaded or turned.
    #[error("the ring of signing keys could not be turned: {0}")]
    Storing(#[from] StoreError),
    /// The key to revoke is none of ours, or was revoked before.
    #[error("there is no key {0} in the ring")]
    NoSuchKey(KeyId),
    /// The event is for this function, but cannot be read.
    #[error("the event cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// CloudFormation waits for an answer that did not reach it.
    #[error(transparent)]
    Answering(#[from] DeliveryFailed),
}

/// Sees to it that there is a key that signs, and does what else is due. At a deploy there is to be a key, and no more. A
/// request of CloudFormation is answered in its way, whatever comes of it: a stack would wait an hour for an answer that
/// does not come. Any other event is an operator's or the schedule's.
///
/// # Errors
///
/// [`RotationError`] if nobody else was told of the failure; Lambda then invokes the function again.
pub async fn rotate_keys<S, D, R, C>(
    deps: &RotateKeys<S, D, R, C>,
    event: Value,
    request_id: String,
) -> Result<Ring, RotationError>
where
    S: LoadKeySet + ApplyRotation + Sync,
    D: DeliverResponse + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let caller = ClientInfo::invocation(request_id);
    if event.get("ResponseURL").is_none() {
        let asked = serde_json::from_value(event)?;
        return Ok(deps.rotate(asked, &caller).await?.into());
    }
    let request: Request = serde_json::from_value(event)?;
    let outcome = match request.kind {
        RequestType::Create | RequestType::Update => deps.ring(&caller).await.map(Ring::from),
        // The keys outlive the stack, with the tables that hold them.
        RequestType::Delete => Ok(Ring::default()),
    };
    if let Err(error) = &outcome {
        tracing::error!(%error, "the deployment has no signing key");
    }
    let response = Response::new(&request, outcome.as_ref().map(|_| ()));
    deps.responses.deliver_response(&request.response_url, &response).await?;
    Ok(outcome.unwrap_or_default())
}

impl<S, D, R, C> RotateKeys<S, D, R, C>
where
    S: LoadKeySet + ApplyRotation,
    R: Random,
    C: Clock,
{
    /// The ring, begun if there is none.
    async fn ring(&self, caller: &ClientInfo) -> Result<KeySet, RotationError> {
        if let Some(ring) = self.keys.load_key_set().await? {
            return Ok(ring);
        }
        let turn = KeySet::initial(SigningKey::generate(&self.random)?, self.clock.now());
        self.turn(&turn, caller).await
    }

    async fn rotate(&self, asked: Asked, caller: &ClientInfo) -> Result<KeySet, RotationError> {
        let mut ring = self.ring(caller).await?;
        if let Some(kid) = asked.revoke {
            ring = self.revoke(ring, kid, caller).await?;
        }
        let overdue = asked.rotate_now.then(|| ring.current.kid.clone());
        // Whoever else turns the ring meanwhile does a part of the same: what is left is asked after each turn.
        while let Some(turn) = self.due(&ring, overdue.as_ref())? {
            ring = self.turn(&turn, caller).await?;
        }
        Ok(ring)
    }

    async fn revoke(&self, mut ring: KeySet, kid: KeyId, caller: &ClientInfo) -> Result<KeySet, RotationError> {
        if !ring.keys().any(|(key, _)| key.kid == kid) {
            return Err(RotationError::NoSuchKey(kid));
        }
        while let Some(turn) = ring.revoke(&kid, SigningKey::generate(&self.random)?, self.clock.now()) {
            ring = self.turn(&turn, caller).await?;
        }
        Ok(ring)
    }

    fn due(&self, ring: &KeySet, overdue: Option<&KeyId>) -> Result<Option<KeySetChange>, RotationError> {
        let now = self.clock.now();
        Ok(match ring.due(self.policy, overdue, now) {
            None => None,
            Some(Due::Publish) => Some(ring.publish(SigningKey::generate(&self.random)?, now)),
            Some(Due::Promote) => ring.promote(now),
            Some(Due::Retire(kid)) => Some(ring.retire(&kid)),
        })
    }

    async fn turn(&self, turn: &KeySetChange, caller: &ClientInfo) -> Result<KeySet, RotationError> {
        let now = self.clock.now();
        Ok(self.keys.apply_rotation(turn, &self.records(turn, caller, now), now).await?)
    }

    /// One record for each key that the turn moves on.
    fn records(&self, turn: &KeySetChange, caller: &ClientInfo, now: Timestamp) -> Vec<AuditEvent> {
        let added = turn.adds.as_ref().map(SigningKey::kid);
        let promoted = turn.promotes.as_ref().or_else(|| added.filter(|_| turn.adds_current_key()));
        [
            (AuditEventKind::SigningKeyPublished, added),
            (AuditEventKind::SigningKeyPromoted, promoted),
            (AuditEventKind::SigningKeyRetired, turn.retires.as_ref()),
        ]
        .into_iter()
        .filter_map(|(kind, kid)| {
            let record = self.audit_log.event(kind, AuditSubject::Deployment, caller, now, &self.random);
            Some(record.with_detail(kid?.as_str()))
        })
        .collect()
    }
}

impl From<KeySet> for Ring {
    fn from(ring: KeySet) -> Self {
        let key = |(key, state): (&KeySetEntry, KeyState)| Key { kid: key.kid.clone(), state, since: key.since };
        Self { keys: ring.keys().map(key).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use kernel::Secret;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use serde_json::json;

    use super::*;
    use crate::domain::{PROPAGATION_DELAY, RETIREMENT_DELAY};

    /// Turns the ring, unless somebody else did first.
    #[derive(Default)]
    struct Keys {
        ring: Mutex<Option<KeySet>>,
        audit_log: Mutex<Vec<AuditEvent>>,
        /// What the ring becomes before the next turn reaches it.
        meanwhile: Mutex<Option<KeySet>>,
        broken: bool,
    }

    impl LoadKeySet for Keys {
        async fn load_key_set(&self) -> Result<Option<KeySet>, StoreError> {
            if self.broken {
                return Err(StoreError::Internal("not permitted".to_owned()));
            }
            Ok(self.ring.lock().unwrap().clone())
        }
    }

    impl ApplyRotation for Keys {
        async fn apply_rotation(
            &self,
            turn: &KeySetChange,
            records: &[AuditEvent],
            _now: Timestamp,
        ) -> Result<KeySet, StoreError> {
            let mut ring = self.ring.lock().unwrap();
            if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
                return Ok(ring.insert(meanwhile).clone());
            }
            self.audit_log.lock().unwrap().extend_from_slice(records);
            Ok(ring.insert(turn.key_set.clone()).clone())
        }
    }

    impl Keys {
        fn states(&self) -> Vec<KeyState> {
            self.ring.lock().unwrap().as_ref().unwrap().keys().map(|(_, state)| state).collect()
        }

        fn current(&self) -> KeyId {
            self.ring.lock().unwrap().as_ref().unwrap().current.kid.clone()
        }
    }

    #[derive(Default)]
    struct Responses {
        delivered: Mutex<Vec<(String, Value)>>,
        unreachable: bool,
    }

    impl DeliverResponse for Responses {
        async fn deliver_response(&self, url: &str, response: &Response) -> Result<(), DeliveryFailed> {
            if self.unreachable {
                return Err(DeliveryFailed("no route".to_owned()));
            }
            self.delivered.lock().unwrap().push((url.to_owned(), serde_json::to_value(response).unwrap()));
            Ok(())
        }
    }

    type Deps = RotateKeys<Keys, Responses, SeededRandom, FixedClock>;

    fn deps(keys: Keys, responses: Responses) -> Deps {
        let clock = FixedClock(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        let audit_log = AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24));
        RotateKeys { keys, policy: "30".parse().unwrap(), audit_log, responses, random: SeededRandom::new(1), clock }
    }

    fn broken() -> Keys {
        Keys { broken: true, ..Keys::default() }
    }

    async fn invoke(deps: &Deps, event: Value) -> Result<Ring, RotationError> {
        rotate_keys(deps, event, "r-1".to_owned()).await
    }

    fn request(request_type: &str, physical_id: Option<&str>) -> Value {
        json!({
            "RequestType": request_type, "ResponseURL": "https://s3.example/response?signature=1",
            "StackId": "stack", "RequestId": "request", "LogicalResourceId": "FirstSigningKey",
            "PhysicalResourceId": physical_id, "ResourceType": "Custom::SigningKey", "ResourceProperties": {}
        })
    }

    fn response(status: &str, physical_id: &str) -> Value {
        json!({
            "Status": status, "PhysicalResourceId": physical_id, "StackId": "stack", "RequestId": "request",
            "LogicalResourceId": "FirstSigningKey"
        })
    }

    #[tokio::test]
    async fn create_request_adds_first_key_and_is_answered() {
        let deps = deps(Keys::default(), Responses::default());
        invoke(&deps, request("Create", None)).await.unwrap();
        assert_eq!(deps.keys.states(), [KeyState::Current]);
        let url = "https://s3.example/response?signature=1".to_owned();
        assert_eq!(*deps.responses.delivered.lock().unwrap(), [(url, response("SUCCESS", "signing-keys"))]);
    }

    #[tokio::test]
    async fn update_request_keeps_key_and_physical_resource_id() {
        let mut deps = deps(Keys::default(), Responses::default());
        let first = invoke(&deps, request("Create", None)).await.unwrap();
        deps.clock.0 = deps.clock.0.plus(Duration::from_hours(24 * 99));
        let again = invoke(&deps, request("Update", Some("as-it-was"))).await.unwrap();
        assert_eq!(again, first);
        assert_eq!(deps.responses.delivered.lock().unwrap()[1].1, response("SUCCESS", "as-it-was"));
    }

    #[tokio::test]
    async fn delete_request_succeeds_without_store() {
        let deps = deps(broken(), Responses::default());
        assert_eq!(invoke(&deps, request("Delete", Some("signing-keys"))).await.unwrap(), Ring::default());
        assert_eq!(deps.responses.delivered.lock().unwrap()[0].1, response("SUCCESS", "signing-keys"));
    }

    #[tokio::test]
    async fn failure_is_reported_to_cloudformation_with_reason() {
        let deps = deps(broken(), Responses::default());
        invoke(&deps, request("Create", None)).await.unwrap();
        let told = deps.responses.delivered.lock().unwrap()[0].1.clone();
        assert_eq!((&told["Status"], &told["PhysicalResourceId"]), (&json!("FAILED"), &json!("signing-keys")));
        assert!(told["Reason"].as_str().unwrap().contains("not permitted"), "{told}");
    }

    #[tokio::test]
    async fn undelivered_cfn_response_fails_the_invocation() {
        let deps = deps(Keys::default(), Responses { unreachable: true, ..Responses::default() });
        assert!(matches!(invoke(&deps, request("Create", None)).await, Err(RotationError::Answering(_))));
    }

    #[tokio::test]
    async fn operator_invocation_returns_key_set_or_error() {
        let good = deps(Keys::default(), Responses::default());
        let answer = serde_json::to_value(invoke(&good, json!({})).await.unwrap()).unwrap();
        let key = json!({"kid": good.keys.current(), "state": "CURRENT", "since": "2026-01-31T12:00:00.000Z"});
        assert_eq!(answer, json!({"keys": [key]}));
        assert!(good.responses.delivered.lock().unwrap().is_empty());
        let broken = deps(broken(), Responses::default());
        assert!(matches!(invoke(&broken, json!({})).await, Err(RotationError::Storing(_))));
    }

    #[tokio::test]
    async fn daily_schedule_rotates_keys() {
        use AuditEventKind::{SigningKeyPromoted, SigningKeyPublished, SigningKeyRetired};
        use KeyState::{Current, Next, Retiring};
        let mut deps = deps(Keys::default(), Responses::default());
        let mut seen = Vec::new();
        for day in 0..=31 {
            invoke(&deps, json!({})).await.unwrap();
            seen.push((day, deps.keys.states()));
            deps.clock.0 = deps.clock.0.plus(Duration::from_hours(24));
        }
        seen.dedup_by_key(|(_, states)| states.clone());
        let expected =
            [(0, vec![Current]), (29, vec![Current, Next]), (30, vec![Retiring, Current]), (31, vec![Current])];
        assert_eq!(seen, expected);
        let audit_log = deps.keys.audit_log.lock().unwrap();
        let kinds: Vec<_> = audit_log.iter().map(|record| record.kind).collect();
        let expected =
            [SigningKeyPublished, SigningKeyPromoted, SigningKeyPublished, SigningKeyPromoted, SigningKeyRetired];
        assert_eq!(kinds, expected);
        assert!(
            audit_log.iter().all(|record| record.subject == AuditSubject::Deployment && record.request_id == "r-1")
        );
        let of_the_first = [0, 1, 4].map(|index: usize| audit_log[index].detail.clone());
        assert!(of_the_first.iter().all(|kid| *kid == of_the_first[0]) && audit_log[2].detail != of_the_first[0]);
    }

    #[tokio::test]
    async fn rotate_now_promotes_next_key_after_propagation_delay() {
        let mut deps = deps(Keys::default(), Responses::default());
        let now = json!({"rotateNow": true});
        for _ in 0..2 {
            invoke(&deps, now.clone()).await.unwrap();
            assert_eq!(deps.keys.states(), [KeyState::Current, KeyState::Next]);
        }
        deps.clock.0 = deps.clock.0.plus(PROPAGATION_DELAY);
        invoke(&deps, now.clone()).await.unwrap();
        assert_eq!(deps.keys.states(), [KeyState::Retiring, KeyState::Current]);
        deps.clock.0 = deps.clock.0.plus(RETIREMENT_DELAY);
        invoke(&deps, json!({})).await.unwrap();
        assert_eq!(deps.keys.states(), [KeyState::Current]);
    }

    #[tokio::test]
    async fn concurrent_rotation_is_not_repeated() {
        let deps = deps(Keys::default(), Responses::default());
        invoke(&deps, json!({})).await.unwrap();
        let ring = deps.keys.ring.lock().unwrap().clone().unwrap();
        let theirs = ring.publish(SigningKey::generate(&SeededRandom::new(9)).unwrap(), deps.clock.0).key_set;
        *deps.keys.meanwhile.lock().unwrap() = Some(theirs.clone());
        invoke(&deps, json!({"rotateNow": true})).await.unwrap();
        assert_eq!(*deps.keys.ring.lock().unwrap(), Some(theirs));
    }

    #[tokio::test]
    async fn revoked_key_is_replaced_despite_concurrent_rotation() {
        let deps = deps(Keys::default(), Responses::default());
        invoke(&deps, json!({})).await.unwrap();
        let leaked = deps.keys.current();
        let ring = deps.keys.ring.lock().unwrap().clone().unwrap();
        let theirs = ring.publish(SigningKey::generate(&SeededRandom::new(9)).unwrap(), deps.clock.0).key_set;
        *deps.keys.meanwhile.lock().unwrap() = Some(theirs);
        invoke(&deps, json!({"revoke": leaked})).await.unwrap();
        assert_eq!(deps.keys.states(), [KeyState::Current, KeyState::Next]);
        assert_ne!(deps.keys.current(), leaked);
        let again = invoke(&deps, json!({"revoke": leaked})).await;
        assert!(matches!(again, Err(RotationError::NoSuchKey(_))), "{again:?}");
    }

    #[tokio::test]
    async fn invalid_rotation_request_is_rejected() {
        let deps = deps(Keys::default(), Responses::default());
        for event in [json!({"rotatenow": true}), json!({"revoke": 1}), json!([])] {
            let outcome = invoke(&deps, event).await;
            assert!(matches!(outcome, Err(RotationError::Unreadable(_))), "{outcome:?}");
        }
    }
}
