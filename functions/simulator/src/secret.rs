//! The secret that the provider signs its webhooks with.

use std::future::Future;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use config::{ConfigError, Env};
use kernel::Secret;
use serde::Deserialize;
use webhook::WebhookSecret;

/// The source of the secret.
pub trait SigningSecret {
    /// Loads the current secret.
    fn signing_secret(&self) -> impl Future<Output = Result<WebhookSecret, SecretError>>;
}

/// The secret is unavailable or malformed. The message does not contain it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing secret unavailable: {0}")]
pub struct SecretError(pub String);

/// A secret in AWS Secrets Manager. It is loaded for every message, so that a rotation needs no restart.
#[derive(Debug, Clone)]
pub struct ManagedSecret {
    client: Client,
    arn: String,
}

/// The value of the secret.
#[derive(Deserialize)]
struct Value {
    current: Secret<String>,
}

impl ManagedSecret {
    /// Uses the secret `WEBHOOK_SECRET_ARN`, and the endpoint `AWS_ENDPOINT_URL_SECRETS_MANAGER` if it is set, otherwise
    /// `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let config = aws::sdk_config(env)?;
        let config = aws::for_service(&config, env, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
        let config = aws_sdk_secretsmanager::config::Builder::from(&config).interceptor(aws::ObserveDeadline).build();
        Ok(Self { client: Client::from_conf(config), arn: env.required("WEBHOOK_SECRET_ARN")?.to_owned() })
    }
}

impl SigningSecret for ManagedSecret {
    async fn signing_secret(&self) -> Result<WebhookSecret, SecretError> {
        let response = self.client.get_secret_value().secret_id(&self.arn).send().await;
        // The errors themselves could print the response.
        let response = response.map_err(|error| SecretError(error.code().unwrap_or("no response").to_owned()))?;
        let value: Value = serde_json::from_str(response.secret_string().unwrap_or_default())
            .map_err(|_| SecretError("the value has no field `current`".to_owned()))?;
        WebhookSecret::parse(value.current.expose()).map_err(|error| SecretError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use serde_json::json;
    use testkit::http::serve_once;

    use super::*;

    async fn loaded(value: &str) -> Result<WebhookSecret, SecretError> {
        let response = json!({"ARN": "arn", "Name": "webhook", "SecretString": value}).to_string();
        let (url, _request) = serve_once(200, &response).await;
        let env = Env::from_iter([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url),
            ("WEBHOOK_SECRET_ARN", "arn"),
        ]);
        ManagedSecret::from_env(&env).unwrap().signing_secret().await
    }

    #[tokio::test]
    async fn current_secret_is_used() {
        let text = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = loaded(&json!({"previous": "", "current": text}).to_string()).await.unwrap();
        let now = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        assert_eq!(secret.sign("m", now, b"{}"), WebhookSecret::parse(text).unwrap().sign("m", now, b"{}"));
    }

    #[tokio::test]
    async fn malformed_secret_is_not_in_the_error() {
        for value in [json!("hunter2"), json!({"previous": "hunter2"}), json!({"current": "hunter2"})] {
            let SecretError(message) = loaded(&value.to_string()).await.unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
