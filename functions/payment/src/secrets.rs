//! The secrets that the provider signs its webhooks with, kept in memory.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_types::SdkConfig;
use config::{ConfigError, Env};
use kernel::{Clock, Timestamp};
use serde_json::{Map, Value};
use webhook::WebhookSecret;

/// How long a signature by an unknown secret waits before the secrets are loaded for its sake again: a stream of
/// forgeries costs one call per interval and execution environment, and a new secret is known within it.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// How long the secrets are believed without a look: so long does one that was taken out stay good.
pub const MAX_AGE: Duration = Duration::from_mins(5);

/// The secrets cannot be had just now, or are none. The text holds nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook secrets cannot be loaded: {0}")]
pub struct LoadSecretsError(pub String);

/// Where the secrets come from.
pub trait LoadSecrets {
    /// All secrets that a provider may sign with just now: several while one is being changed.
    fn load_secrets(&self) -> impl Future<Output = Result<Vec<WebhookSecret>, LoadSecretsError>> + Send;
}

/// A secret of AWS Secrets Manager: a JSON object, each value of which is a webhook secret or empty.
#[derive(Debug, Clone)]
pub struct ManagedSecret {
    client: aws_sdk_secretsmanager::Client,
    arn: String,
}

impl ManagedSecret {
    /// The secret that `WEBHOOK_SECRET_ARN` names, read by a client of this configuration, at
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER` if it is set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, config: &SdkConfig) -> Result<Self, ConfigError> {
        let config = aws::for_service(config, env, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
        let client = aws_sdk_secretsmanager::Client::new(&config);
        Ok(Self { client, arn: env.required("WEBHOOK_SECRET_ARN")?.to_owned() })
    }
}

impl LoadSecrets for ManagedSecret {
    async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        // Not the error itself: it prints the response.
        let answer = answer.map_err(|error| LoadSecretsError(error.code().unwrap_or("no answer").to_owned()))?;
        read(answer.secret_string().unwrap_or_default())
    }
}

fn read(document: &str) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
    let document: Map<String, Value> =
        serde_json::from_str(document).map_err(|_| LoadSecretsError("they must be a JSON object".to_owned()))?;
    let texts = document.iter().filter(|(_, value)| *value != &Value::String(String::new()));
    Ok(texts.filter_map(|(name, value)| read_one(name, value)).collect())
}

/// One of the secrets. What is none is left out, and does not keep the others from being changed.
fn read_one(name: &str, value: &Value) -> Option<WebhookSecret> {
    let secret = value.as_str().and_then(|text| WebhookSecret::parse(text).ok());
    if secret.is_none() {
        tracing::error!(name, "this value is no webhook secret: the base64 of at least 24 bytes");
    }
    secret
}

/// The secrets as they were when last looked at.
#[derive(Debug)]
pub struct Secrets<L, C> {
    source: L,
    clock: C,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    known: Option<(Vec<WebhookSecret>, Timestamp)>,
    /// When we looked last, whatever came of it.
    looked_at: Option<Timestamp>,
}

impl<L: LoadSecrets, C: Clock> Secrets<L, C> {
    /// Secrets from there.
    pub fn new(source: L, clock: C) -> Self {
        Self { source, clock, cache: Mutex::default() }
    }

    /// The secrets as they were at most [`MAX_AGE`] ago. If they cannot be looked at again, those we know go on.
    ///
    /// # Errors
    ///
    /// [`LoadSecretsError`] if we know none and they cannot be had.
    pub async fn known(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        let now = self.clock.now();
        let known = self.cache().known.clone();
        match known {
            Some((secrets, loaded_at)) if now < loaded_at.plus(MAX_AGE) || !self.may_look(now) => Ok(secrets),
            Some((secrets, _)) => Ok(self.load(now).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the secrets of a while ago go on");
                secrets
            })),
            None => self.load(now).await,
        }
    }

    /// The secrets as they are now, unless we looked just before.
    ///
    /// # Errors
    ///
    /// [`LoadSecretsError`] if they cannot be had.
    pub async fn newer(&self) -> Result<Option<Vec<WebhookSecret>>, LoadSecretsError> {
        let now = self.clock.now();
        if self.may_look(now) { self.load(now).await.map(Some) } else { Ok(None) }
    }

    fn may_look(&self, now: Timestamp) -> bool {
        self.cache().looked_at.is_none_or(|at| now >= at.plus(RELOAD_INTERVAL))
    }

    #[cfg(test)]
    pub(crate) fn source(&self) -> &L {
        &self.source
    }

    /// The same secrets, seen at another time.
    #[cfg(test)]
    pub(crate) fn at<D>(self, clock: D) -> Secrets<L, D> {
        Secrets { source: self.source, clock, cache: self.cache }
    }

    async fn load(&self, now: Timestamp) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
        self.cache().looked_at = Some(now);
        let secrets = self.source.load_secrets().await?;
        self.cache().known = Some((secrets.clone(), now));
        Ok(secrets)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn every_value_that_is_not_empty_is_a_secret() {
        let document = serde_json::json!({"current": SECRET, "previous": "", "next": &SECRET[6..]});
        assert_eq!(read(&document.to_string()).unwrap().len(), 2);
    }

    /// What a vault holds, or nothing while it does not answer; and how often it was asked.
    struct Vault(Mutex<(Option<Vec<&'static str>>, usize)>);

    impl LoadSecrets for Vault {
        async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
            let mut vault = self.0.lock().unwrap();
            vault.1 += 1;
            let texts = vault.0.as_ref().ok_or_else(|| LoadSecretsError("no answer".to_owned()))?;
            Ok(texts.iter().map(|text| WebhookSecret::parse(text).unwrap()).collect())
        }
    }

    #[tokio::test]
    async fn a_secret_that_was_taken_out_is_forgotten_and_a_vault_that_is_silent_is_not_hammered() {
        use kernel::testing::FixedClock;
        let start = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        let secrets = Secrets::new(Vault(Mutex::new((Some(vec![SECRET]), 0))), FixedClock(start));
        assert_eq!(secrets.known().await.unwrap().len(), 1);

        secrets.source().0.lock().unwrap().0 = None;
        let secrets = secrets.at(FixedClock(start.plus(MAX_AGE)));
        for _ in 0..20 {
            assert_eq!(secrets.known().await.unwrap().len(), 1, "they go on while nobody can tell");
            assert!(matches!(secrets.newer().await, Ok(None)));
        }
        assert_eq!(secrets.source().0.lock().unwrap().1, 2);

        secrets.source().0.lock().unwrap().0 = Some(vec![]);
        let secrets = secrets.at(FixedClock(start.plus(MAX_AGE + RELOAD_INTERVAL)));
        assert_eq!(secrets.known().await.unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_secret_is_left_out_and_keeps_no_other_from_being_changed() {
        let document = serde_json::json!({"current": SECRET, "previous": "hunter2", "next": 5});
        assert_eq!(read(&document.to_string()).unwrap().len(), 1);
        for document in ["", "[]", "hunter2"] {
            let LoadSecretsError(text) = read(document).unwrap_err();
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
