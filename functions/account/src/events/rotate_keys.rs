//! The keys that sign access tokens: for now, that there is one.

use kernel::{Clock, KeyId, Random};
use serde::Serialize;
use serde_json::Value;

use super::custom_resource::{DeliverResponse, DeliveryFailed, Request, RequestType, Response};
use crate::domain::{InvalidSigningKey, SigningKey};
use crate::store::{InstallFirstKey, StoreError};

/// What the function needs.
#[derive(Debug)]
pub struct RotateKeys<S, D, R, C> {
    /// Where keys are installed.
    pub keys: S,
    /// How CloudFormation is answered.
    pub responses: D,
    /// For the key.
    pub random: R,
    /// For the time at which it was made.
    pub clock: C,
}

/// What an operator is answered.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Current {
    /// The key that signs, where that was asked.
    kid: Option<KeyId>,
}

/// Why there is no key, or CloudFormation was not told of it.
#[derive(Debug, thiserror::Error)]
pub enum RotationFailed {
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Generating(#[from] InvalidSigningKey),
    /// It could not be stored.
    #[error("the signing key could not be installed: {0}")]
    Installing(#[from] StoreError),
    /// The event is for this function, but cannot be read.
    #[error("the request of CloudFormation cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// CloudFormation waits for an answer that did not reach it.
    #[error(transparent)]
    Answering(#[from] DeliveryFailed),
}

/// Makes the first key if there is none, and nothing otherwise. A request of CloudFormation is answered in its way,
/// whatever comes of it: a stack would wait an hour for an answer that does not come. Any other event is an operator's
/// or a schedule's.
///
/// # Errors
///
/// [`RotationFailed`] if nobody else was told of the failure; Lambda then invokes the function again.
pub async fn rotate_keys<S, D, R, C>(deps: &RotateKeys<S, D, R, C>, event: Value) -> Result<Current, RotationFailed>
where
    S: InstallFirstKey + Sync,
    D: DeliverResponse + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    if event.get("ResponseURL").is_none() {
        return Ok(Current { kid: Some(deps.ensure_key().await?) });
    }
    let request: Request = serde_json::from_value(event)?;
    let outcome = match request.kind {
        RequestType::Create | RequestType::Update => deps.ensure_key().await.map(Some),
        // The keys outlive the stack, with the tables that hold them.
        RequestType::Delete => Ok(None),
    };
    if let Err(error) = &outcome {
        tracing::error!(%error, "the deployment has no signing key");
    }
    let response = Response::new(&request, outcome.as_ref().map(|_| ()));
    deps.responses.deliver_response(&request.response_url, &response).await?;
    Ok(Current { kid: outcome.ok().flatten() })
}

impl<S: InstallFirstKey, D, R: Random, C: Clock> RotateKeys<S, D, R, C> {
    async fn ensure_key(&self) -> Result<KeyId, RotationFailed> {
        let key = SigningKey::generate(&self.random)?;
        Ok(self.keys.install_first_key(&key, self.clock.now()).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::Timestamp;
    use kernel::random::Seeded;
    use kernel::time::FixedClock;
    use serde_json::json;

    use super::*;

    /// Installs the first key it is given.
    #[derive(Default)]
    struct Keys {
        current: Mutex<Option<KeyId>>,
        broken: bool,
    }

    impl InstallFirstKey for Keys {
        async fn install_first_key(&self, key: &SigningKey, _now: Timestamp) -> Result<KeyId, StoreError> {
            if self.broken {
                return Err(StoreError::Broken("not permitted".to_owned()));
            }
            Ok(self.current.lock().unwrap().get_or_insert_with(|| key.kid().clone()).clone())
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

    fn deps(keys: Keys, responses: Responses) -> RotateKeys<Keys, Responses, Seeded, FixedClock> {
        let clock = FixedClock(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        RotateKeys { keys, responses, random: Seeded::new(1), clock }
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
    async fn a_deploy_makes_the_first_key_and_cloudformation_is_told() {
        let deps = deps(Keys::default(), Responses::default());
        rotate_keys(&deps, request("Create", None)).await.unwrap();
        assert!(deps.keys.current.lock().unwrap().is_some());
        let url = "https://s3.example/response?signature=1".to_owned();
        assert_eq!(*deps.responses.delivered.lock().unwrap(), [(url, response("SUCCESS", "signing-keys"))]);
    }

    #[tokio::test]
    async fn an_update_keeps_the_key_and_the_resource() {
        let deps = deps(Keys::default(), Responses::default());
        let first = rotate_keys(&deps, request("Create", None)).await.unwrap();
        let again = rotate_keys(&deps, request("Update", Some("as-it-was"))).await.unwrap();
        assert_eq!(again, first);
        assert_eq!(deps.responses.delivered.lock().unwrap()[1].1, response("SUCCESS", "as-it-was"));
    }

    #[tokio::test]
    async fn a_delete_makes_no_key_and_succeeds_even_where_none_could_be_made() {
        let deps = deps(Keys { broken: true, ..Keys::default() }, Responses::default());
        assert_eq!(rotate_keys(&deps, request("Delete", Some("signing-keys"))).await.unwrap(), Current { kid: None });
        assert_eq!(deps.responses.delivered.lock().unwrap()[0].1, response("SUCCESS", "signing-keys"));
    }

    #[tokio::test]
    async fn a_failure_is_reported_to_cloudformation_with_its_reason() {
        let deps = deps(Keys { broken: true, ..Keys::default() }, Responses::default());
        rotate_keys(&deps, request("Create", None)).await.unwrap();
        let told = deps.responses.delivered.lock().unwrap()[0].1.clone();
        assert_eq!((&told["Status"], &told["PhysicalResourceId"]), (&json!("FAILED"), &json!("signing-keys")));
        assert!(told["Reason"].as_str().unwrap().contains("not permitted"), "{told}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_arrive_fails_the_invocation_so_that_it_is_tried_again() {
        let deps = deps(Keys::default(), Responses { unreachable: true, ..Responses::default() });
        assert!(matches!(rotate_keys(&deps, request("Create", None)).await, Err(RotationFailed::Answering(_))));
    }

    #[tokio::test]
    async fn an_operator_is_answered_with_the_key_and_told_of_a_failure() {
        let good = deps(Keys::default(), Responses::default());
        let current = rotate_keys(&good, json!({})).await.unwrap();
        assert_eq!(current.kid, *good.keys.current.lock().unwrap());
        assert!(good.responses.delivered.lock().unwrap().is_empty());
        let broken = deps(Keys { broken: true, ..Keys::default() }, Responses::default());
        assert!(matches!(rotate_keys(&broken, json!({})).await, Err(RotationFailed::Installing(_))));
    }
}
