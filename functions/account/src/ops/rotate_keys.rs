//! Rotation of the keys that sign access tokens.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{Clock, KeyId, Random, SystemClock, SystemRandom, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cfn_response::{CfnResponseError, CfnResponseSender};
use super::custom_resource::{CfnRequest, CfnResponse, RequestType};
use crate::app::settings;
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Due, InvalidSigningKey, KeySet, KeySetChange,
    KeySetEntry, KeyState, RotationPolicy, SigningKey,
};
use crate::store::{AuditTable, KeyTables, StoreError};

/// The state of the function.
pub struct RotateKeys {
    pub keys: KeyTables,
    pub policy: RotationPolicy,
    pub audit_log: AuditLog,
    pub responses: CfnResponseSender,
    pub random: Arc<dyn Random + Send + Sync>,
    pub clock: Arc<dyn Clock + Send + Sync>,
}

/// The event of a schedule or an operator. An empty object performs the steps that are due.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RotationRequest {
    /// Whether the current key is due, regardless of its age: the next key is published, or promoted if it has
    /// propagated to verifiers.
    #[serde(default)]
    rotate_now: bool,
    /// A compromised key, which is retired immediately.
    revoke: Option<KeyId>,
}

/// The key set, as returned to an operator.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeySetView {
    keys: Vec<KeyView>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct KeyView {
    kid: KeyId,
    state: KeyState,
    /// When the key entered its state.
    since: Timestamp,
}

/// The keys were not rotated, or CloudFormation received no response.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error("signing key could not be generated: {0}")]
    Generate(#[from] InvalidSigningKey),
    #[error("key set could not be loaded or stored: {0}")]
    Store(#[from] StoreError),
    /// The key to revoke is not in the key set, or was revoked before.
    #[error("key {0} is not in the key set")]
    KeyNotFound(KeyId),
    #[error("invalid event: {0}")]
    InvalidEvent(#[from] serde_json::Error),
    #[error(transparent)]
    CfnResponse(#[from] CfnResponseError),
}

/// Creates the first signing key if there is none, and performs the rotation steps that are due. A request of
/// CloudFormation only creates the first key. It is always answered, also with a failure: a stack waits an hour for a
/// missing response.
///
/// # Errors
///
/// [`RotationError`], except for a failure that was reported to CloudFormation. Lambda retries the invocation.
pub async fn rotate_keys(state: &RotateKeys, event: Value, request_id: String) -> Result<KeySetView, RotationError> {
    let client = ClientInfo::invocation(request_id);
    if event.get("ResponseURL").is_none() {
        let request = serde_json::from_value(event)?;
        return Ok(state.rotate(request, &client).await?.into());
    }
    let request: CfnRequest = serde_json::from_value(event)?;
    let outcome = match request.request_type {
        RequestType::Create | RequestType::Update => state.load_or_create(&client).await.map(KeySetView::from),
        // The keys are kept with the tables that contain them, which outlive the stack.
        RequestType::Delete => Ok(KeySetView::default()),
    };
    if let Err(error) = &outcome {
        tracing::error!(%error, "signing key could not be created");
    }
    let response = CfnResponse::new(&request, outcome.as_ref().map(|_| ()));
    state.responses.send(&request.response_url, &response).await?;
    Ok(outcome.unwrap_or_default())
}

impl RotateKeys {
    /// # Errors
    ///
    /// [`ConfigError`] if an environment variable is missing or invalid.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let audit = AuditTable::from_env(env, client.clone())?;
        let (account_table, signing_key_table) = (env.required("ACCOUNT_TABLE")?, env.required("SIGNING_KEY_TABLE")?);
        Ok(Self {
            keys: KeyTables::new(client, account_table, signing_key_table, audit, SystemRandom),
            policy: env.parsed("SIGNING_KEY_DAYS")?,
            audit_log: settings::audit_log(env)?,
            responses: CfnResponseSender::default(),
            random: Arc::new(SystemRandom),
            clock: Arc::new(SystemClock),
        })
    }

    async fn load_or_create(&self, client: &ClientInfo) -> Result<KeySet, RotationError> {
        if let Some(key_set) = self.keys.load_key_set().await? {
            return Ok(key_set);
        }
        let change = KeySet::initial(SigningKey::generate(&*self.random)?, self.clock.now());
        self.apply(&change, client).await
    }

    async fn rotate(&self, request: RotationRequest, client: &ClientInfo) -> Result<KeySet, RotationError> {
        let mut key_set = self.load_or_create(client).await?;
        if let Some(kid) = request.revoke {
            key_set = self.revoke(key_set, kid, client).await?;
        }
        let overdue = request.rotate_now.then(|| key_set.current.kid.clone());
        // A concurrent rotation may have performed a step, so the remaining ones are determined after each change.
        while let Some(change) = self.next_change(&key_set, overdue.as_ref())? {
            key_set = self.apply(&change, client).await?;
        }
        Ok(key_set)
    }

    async fn revoke(&self, mut key_set: KeySet, kid: KeyId, client: &ClientInfo) -> Result<KeySet, RotationError> {
        if !key_set.keys().any(|(key, _)| key.kid == kid) {
            return Err(RotationError::KeyNotFound(kid));
        }
        while let Some(change) = key_set.revoke(&kid, SigningKey::generate(&*self.random)?, self.clock.now()) {
            key_set = self.apply(&change, client).await?;
        }
        Ok(key_set)
    }

    fn next_change(&self, key_set: &KeySet, overdue: Option<&KeyId>) -> Result<Option<KeySetChange>, RotationError> {
        let now = self.clock.now();
        Ok(match key_set.due(self.policy, overdue, now) {
            None => None,
            Some(Due::Publish) => Some(key_set.publish(SigningKey::generate(&*self.random)?, now)),
            Some(Due::Promote) => key_set.promote(now),
            Some(Due::Retire(kid)) => Some(key_set.retire(&kid)),
        })
    }

    async fn apply(&self, change: &KeySetChange, client: &ClientInfo) -> Result<KeySet, RotationError> {
        let now = self.clock.now();
        Ok(self.keys.apply_rotation(change, &self.audit_events(change, client, now), now).await?)
    }

    /// One event for each key that the change publishes, promotes or retires.
    fn audit_events(&self, change: &KeySetChange, client: &ClientInfo, now: Timestamp) -> Vec<AuditEvent> {
        let added = change.adds.as_ref().map(SigningKey::kid);
        let promoted = change.promotes.as_ref().or_else(|| added.filter(|_| change.adds_current_key()));
        [
            (AuditEventKind::SigningKeyPublished, added),
            (AuditEventKind::SigningKeyPromoted, promoted),
            (AuditEventKind::SigningKeyRetired, change.retires.as_ref()),
        ]
        .into_iter()
        .filter_map(|(kind, kid)| {
            let event = self.audit_log.event(kind, AuditSubject::Deployment, client, now, &*self.random);
            Some(event.with_detail(kid?.as_str()))
        })
        .collect()
    }
}

impl From<KeySet> for KeySetView {
    fn from(key_set: KeySet) -> Self {
        let view = |(key, state): (&KeySetEntry, KeyState)| KeyView { kid: key.kid.clone(), state, since: key.since };
        Self { keys: key_set.keys().map(view).collect() }
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dynamo::Item;
    use kernel::Secret;
    use kernel::testing::{ManualClock, SeededRandom};
    use serde_json::json;
    use testkit::Engine;
    use testkit::http::serve_once;

    use super::*;
    use crate::domain::{PROPAGATION_DELAY, RETIREMENT_DELAY};
    use crate::store::testing::items_of;

    /// The function, on the tables of an engine.
    struct Rotation {
        engine: Engine,
        clock: ManualClock,
        state: RotateKeys,
    }

    impl Rotation {
        async fn start() -> Self {
            let engine = Engine::start().await;
            for table in ["AccountTable", "SigningKeyTable", "AuditTable"] {
                engine.create_table("account", table);
            }
            let clock = ManualClock::at(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
            let state = RotateKeys {
                keys: key_tables(&engine),
                policy: "30".parse().unwrap(),
                audit_log: AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24)),
                responses: CfnResponseSender::default(),
                random: Arc::new(SeededRandom::new(1)),
                clock: Arc::new(clock.clone()),
            };
            Self { engine, clock, state }
        }

        async fn invoke(&self, event: Value) -> Result<KeySetView, RotationError> {
            rotate_keys(&self.state, event, "r-1".to_owned()).await
        }

        /// Sends a request of CloudFormation. Returns the outcome, and the path and the body of the response.
        async fn request(&self, request_type: &str, physical_id: Option<&str>) -> (KeySetView, String, Value) {
            let (url, response) = serve_once(200, "").await;
            let event = request(&format!("{url}/response?signature=1"), request_type, physical_id);
            let view = self.invoke(event).await.unwrap();
            let response = response.await.unwrap();
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            (view, path, serde_json::from_str(body).unwrap())
        }

        async fn key_set(&self) -> KeySet {
            self.state.keys.load_key_set().await.unwrap().unwrap()
        }

        async fn states(&self) -> Vec<KeyState> {
            self.key_set().await.keys().map(|(_, state)| state).collect()
        }

        /// Publishes a next key right before the next rotation is stored. Returns the key set after that.
        async fn publish_before_next_rotation(&self) -> KeySet {
            let key = SigningKey::generate(&SeededRandom::new(9)).unwrap();
            let now = self.clock.now();
            let change = self.key_set().await.publish(key, now);
            let (keys, published) = (key_tables(&self.engine), change.key_set.clone());
            self.engine.before_next("TransactWriteItems", async move {
                keys.apply_rotation(&change, &[], now).await.unwrap();
            });
            published
        }

        fn reject_reads(&self) {
            self.engine.reject("GetItem", usize::MAX, "AccessDeniedException");
        }
    }

    fn key_tables(engine: &Engine) -> KeyTables {
        let audit = AuditTable::new(engine.client.clone(), "AuditTable");
        KeyTables::new(engine.client.clone(), "AccountTable", "SigningKeyTable", audit, SeededRandom::new(2))
    }

    fn request(url: &str, request_type: &str, physical_id: Option<&str>) -> Value {
        json!({
            "RequestType": request_type, "ResponseURL": url,
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
    async fn create_request_adds_first_key_and_sends_a_response() {
        let rotation = Rotation::start().await;
        let (_, path, body) = rotation.request("Create", None).await;
        assert_eq!(rotation.states().await, [KeyState::Current]);
        assert_eq!((path.as_str(), body), ("/response?signature=1", response("SUCCESS", "signing-keys")));
    }

    #[tokio::test]
    async fn update_request_keeps_key_and_physical_resource_id() {
        let rotation = Rotation::start().await;
        let (first, ..) = rotation.request("Create", None).await;
        rotation.clock.advance(Duration::from_hours(24 * 99));
        let (again, _, body) = rotation.request("Update", Some("as-it-was")).await;
        assert_eq!((again, body), (first, response("SUCCESS", "as-it-was")));
    }

    #[tokio::test]
    async fn delete_request_succeeds_without_store() {
        let rotation = Rotation::start().await;
        rotation.reject_reads();
        let (view, _, body) = rotation.request("Delete", Some("signing-keys")).await;
        assert_eq!((view, body), (KeySetView::default(), response("SUCCESS", "signing-keys")));
    }

    #[tokio::test]
    async fn failure_is_reported_to_cloudformation_with_reason() {
        let rotation = Rotation::start().await;
        rotation.reject_reads();
        let (_, _, body) = rotation.request("Create", None).await;
        assert_eq!((&body["Status"], &body["PhysicalResourceId"]), (&json!("FAILED"), &json!("signing-keys")));
        assert!(body["Reason"].as_str().unwrap().contains("AccessDeniedException"), "{body}");
    }

    #[tokio::test]
    async fn undelivered_cfn_response_fails_the_invocation() {
        let rotation = Rotation::start().await;
        let outcome = rotation.invoke(request("http://127.0.0.1:1/response", "Create", None)).await;
        assert!(matches!(outcome, Err(RotationError::CfnResponse(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn operator_invocation_returns_key_set_or_error() {
        let rotation = Rotation::start().await;
        let view = serde_json::to_value(rotation.invoke(json!({})).await.unwrap()).unwrap();
        let kid = rotation.key_set().await.current.kid;
        let key = json!({"kid": kid, "state": "CURRENT", "since": "2026-01-31T12:00:00.000Z"});
        assert_eq!(view, json!({"keys": [key]}));
        rotation.reject_reads();
        assert!(matches!(rotation.invoke(json!({})).await, Err(RotationError::Store(_))));
    }

    #[tokio::test]
    async fn daily_schedule_rotates_keys() {
        use KeyState::{Current, Next, Retiring};
        let rotation = Rotation::start().await;
        let mut seen = Vec::new();
        for day in 0..=31 {
            rotation.invoke(json!({})).await.unwrap();
            seen.push((day, rotation.states().await));
            rotation.clock.advance(Duration::from_hours(24));
        }
        seen.dedup_by_key(|(_, states)| states.clone());
        let expected =
            [(0, vec![Current]), (29, vec![Current, Next]), (30, vec![Retiring, Current]), (31, vec![Current])];
        assert_eq!(seen, expected);

        let mut audit_log = items_of(&rotation.engine, "AuditTable").await;
        let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        assert!(audit_log.iter().all(|item| text(item, "pk") == "DEPLOYMENT" && text(item, "requestId") == "r-1"));
        audit_log.sort_by_key(|item| (text(item, "at"), text(item, "kind")));
        let kinds: Vec<_> = audit_log.iter().map(|item| text(item, "kind")).collect();
        // The first key was published and promoted at the same time.
        let expected = [
            "SIGNING_KEY_PROMOTED",
            "SIGNING_KEY_PUBLISHED",
            "SIGNING_KEY_PUBLISHED",
            "SIGNING_KEY_PROMOTED",
            "SIGNING_KEY_RETIRED",
        ];
        assert_eq!(kinds, expected);
        let details: Vec<_> = audit_log.iter().map(|item| text(item, "detail")).collect();
        assert!(details[0] == details[1] && details[0] == details[4] && details[0] != details[2], "{details:?}");
    }

    #[tokio::test]
    async fn rotate_now_promotes_next_key_after_propagation_delay() {
        let rotation = Rotation::start().await;
        let rotate_now = json!({"rotateNow": true});
        for _ in 0..2 {
            rotation.invoke(rotate_now.clone()).await.unwrap();
            assert_eq!(rotation.states().await, [KeyState::Current, KeyState::Next]);
        }
        rotation.clock.advance(PROPAGATION_DELAY);
        rotation.invoke(rotate_now.clone()).await.unwrap();
        assert_eq!(rotation.states().await, [KeyState::Retiring, KeyState::Current]);
        rotation.clock.advance(RETIREMENT_DELAY);
        rotation.invoke(json!({})).await.unwrap();
        assert_eq!(rotation.states().await, [KeyState::Current]);
    }

    #[tokio::test]
    async fn concurrent_rotation_is_not_repeated() {
        let rotation = Rotation::start().await;
        rotation.invoke(json!({})).await.unwrap();
        let published = rotation.publish_before_next_rotation().await;
        rotation.invoke(json!({"rotateNow": true})).await.unwrap();
        assert_eq!(rotation.key_set().await, published);
    }

    #[tokio::test]
    async fn revoked_key_is_replaced_despite_concurrent_rotation() {
        let rotation = Rotation::start().await;
        rotation.invoke(json!({})).await.unwrap();
        let leaked = rotation.key_set().await.current.kid;
        rotation.publish_before_next_rotation().await;
        rotation.invoke(json!({"revoke": leaked})).await.unwrap();
        assert_eq!(rotation.states().await, [KeyState::Current, KeyState::Next]);
        assert_ne!(rotation.key_set().await.current.kid, leaked);
        let again = rotation.invoke(json!({"revoke": leaked})).await;
        assert!(matches!(again, Err(RotationError::KeyNotFound(_))), "{again:?}");
    }

    #[tokio::test]
    async fn invalid_rotation_request_is_rejected() {
        let rotation = Rotation::start().await;
        for event in [json!({"rotatenow": true}), json!({"revoke": 1}), json!([])] {
            let outcome = rotation.invoke(event).await;
            assert!(matches!(outcome, Err(RotationError::InvalidEvent(_))), "{outcome:?}");
        }
    }
}
