//! The secrets that the provider signs its webhooks with.

use std::future::Future;
use std::time::Duration;

use aws_types::SdkConfig;
use cache::Cached;
use config::{ConfigError, Env};
use kernel::Timestamp;
use serde_json::{Map, Value};
use webhook::WebhookSecret;

/// The minimum time between reloads because of an unknown signature. Forged webhooks cause at most one request per interval
/// and execution environment; a new secret is accepted after at most this time.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// The time after which the secrets are reloaded. A removed secret stays valid for at most this time.
pub const MAX_AGE: Duration = Duration::from_mins(5);

/// The secrets are unavailable or malformed. The message contains none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhook secrets unavailable: {0}")]
pub struct LoadSecretsError(pub String);

/// The source of the secrets.
pub trait LoadSecrets {
    /// Loads all valid secrets: several during a rotation.
    fn load_secrets(&self) -> impl Future<Output = Result<Vec<WebhookSecret>, LoadSecretsError>> + Send;
}

/// A secret in AWS Secrets Manager: a JSON object, each value of which is a webhook secret or empty.
#[derive(Debug, Clone)]
pub struct ManagedSecret {
    client: aws_sdk_secretsmanager::Client,
    arn: String,
}

impl ManagedSecret {
    /// Uses the secret `WEBHOOK_SECRET_ARN`, and the endpoint `AWS_ENDPOINT_URL_SECRETS_MANAGER` if it is set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, config: &SdkConfig) -> Result<Self, ConfigError> {
        let config = aws::for_service(config, env, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
        let config = aws_sdk_secretsmanager::config::Builder::from(&config).interceptor(aws::ObserveDeadline).build();
        let client = aws_sdk_secretsmanager::Client::from_conf(config);
        Ok(Self { client, arn: env.required("WEBHOOK_SECRET_ARN")?.to_owned() })
    }
}

impl LoadSecrets for ManagedSecret {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        let response = self.client.get_secret_value().secret_id(&self.arn).send().await;
        // The error itself would print the response.
        let response = response.map_err(|error| LoadSecretsError(error.code().unwrap_or("no response").to_owned()))?;
        parse(response.secret_string().unwrap_or_default())
    }
}

fn parse(document: &str) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
    let document: Map<String, Value> =
        serde_json::from_str(document).map_err(|_| LoadSecretsError("the value must be a JSON object".to_owned()))?;
    let values = document.iter().filter(|(_, value)| value.as_str().is_none_or(|text| !text.trim().is_empty()));
    Ok(values.filter_map(|(name, value)| parse_one(name, value)).collect())
}

/// Parses one of the secrets. An invalid one is skipped, so that the others can still be rotated.
fn parse_one(name: &str, value: &Value) -> Option<WebhookSecret> {
    let secret = value.as_str().and_then(|text| WebhookSecret::parse(text).ok());
    if secret.is_none() {
        tracing::error!(name, "invalid webhook secret; expected the base64 of at least 24 bytes");
    }
    secret
}

/// The secrets, cached.
#[derive(Debug)]
pub struct WebhookSecrets<L> {
    source: L,
    cache: Cached<Vec<WebhookSecret>, LoadSecretsError>,
}

impl<L: LoadSecrets> WebhookSecrets<L> {
    pub const fn new(source: L) -> Self {
        Self { source, cache: Cached::new(MAX_AGE, RELOAD_INTERVAL) }
    }

    /// Returns the secrets as they were at most [`MAX_AGE`] ago. If they can't be reloaded, the cached ones stay valid.
    ///
    /// # Errors
    ///
    /// [`LoadSecretsError`] if no secrets are cached and they can't be loaded.
    pub async fn get(&self, now: Timestamp) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        self.cache.get_or_stale(now, || self.source.load_secrets()).await
    }

    /// Reloads the secrets. Returns `None` if the last load, even if it failed, was less than [`RELOAD_INTERVAL`] ago.
    ///
    /// # Errors
    ///
    /// [`LoadSecretsError`] if they can't be loaded.
    pub async fn refresh(&self, now: Timestamp) -> Result<Option<Vec<WebhookSecret>>, LoadSecretsError> {
        let mut attempted = false;
        let load = || {
            attempted = true;
            self.source.load_secrets()
        };
        match self.cache.refresh(now, load).await {
            // The cache returns the error of the last load within the interval.
            Err(_) if !attempted => Ok(None),
            refreshed => refreshed,
        }
    }

    #[cfg(test)]
    pub(crate) fn source(&self) -> &L {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn every_non_empty_value_is_parsed_as_a_secret() {
        let document = serde_json::json!({"current": SECRET, "previous": "", "next": &SECRET[6..]});
        assert_eq!(parse(&document.to_string()).unwrap().len(), 2);
    }

    /// A source with these secrets, or unavailable, that counts the loads.
    struct FakeSecretSource(Mutex<(Option<Vec<&'static str>>, usize)>);

    impl LoadSecrets for FakeSecretSource {
        async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
            let mut state = self.0.lock().unwrap();
            state.1 += 1;
            let texts = state.0.as_ref().ok_or_else(|| LoadSecretsError("no response".to_owned()))?;
            Ok(texts.iter().map(|text| WebhookSecret::parse(text).unwrap()).collect())
        }
    }

    #[tokio::test]
    async fn stale_secrets_stay_valid_while_the_source_is_down() {
        let start = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        let secrets = WebhookSecrets::new(FakeSecretSource(Mutex::new((Some(vec![SECRET]), 0))));
        assert_eq!(secrets.get(start).await.unwrap().len(), 1);

        secrets.source().0.lock().unwrap().0 = None;
        let expired = start.plus(MAX_AGE);
        for _ in 0..20 {
            assert_eq!(secrets.get(expired).await.unwrap().len(), 1, "the stale secrets");
            assert!(matches!(secrets.refresh(expired).await, Ok(None)), "also after a failed reload");
        }
        assert_eq!(secrets.source().0.lock().unwrap().1, 2);

        secrets.source().0.lock().unwrap().0 = Some(vec![]);
        assert_eq!(secrets.get(start.plus(MAX_AGE + RELOAD_INTERVAL)).await.unwrap().len(), 0, "the removed secret");
    }

    #[tokio::test]
    async fn refresh_of_an_unavailable_source_returns_the_error() {
        let start = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        let secrets = WebhookSecrets::new(FakeSecretSource(Mutex::new((None, 0))));
        assert!(secrets.refresh(start).await.is_err());
        assert!(matches!(secrets.refresh(start).await, Ok(None)));
    }

    #[test]
    fn invalid_secret_is_skipped_and_not_logged() {
        let document = serde_json::json!({"current": SECRET, "previous": "hunter2", "next": 5});
        assert_eq!(parse(&document.to_string()).unwrap().len(), 1);
        for document in ["", "[]", "hunter2"] {
            let LoadSecretsError(text) = parse(document).unwrap_err();
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
