//! What the provider signs with.

use std::future::Future;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use config::{ConfigError, Env};
use kernel::Secret;
use serde::Deserialize;
use webhook::WebhookSecret;

/// Knows the secret.
pub trait SigningSecret {
    /// The secret to sign with now.
    fn signing_secret(&self) -> impl Future<Output = Result<WebhookSecret, NoSecret>>;
}

/// There is no secret to sign with. It does not say what there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no secret to sign with: {0}")]
pub struct NoSecret(pub String);

/// A secret of AWS Secrets Manager, asked for each time, so that a rotation needs no restart here: a simulator has the
/// time.
#[derive(Debug, Clone)]
pub struct ManagedSecret {
    client: Client,
    arn: String,
}

/// The secret's value.
#[derive(Deserialize)]
struct Value {
    current: Secret<String>,
}

impl ManagedSecret {
    /// The secret that `WEBHOOK_SECRET_ARN` names. `AWS_ENDPOINT_URL_SECRETS_MANAGER` goes before `AWS_ENDPOINT_URL`,
    /// as the SDKs agree.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let config = aws::sdk_config(env)?;
        let config = aws::for_service(&config, env, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
        Ok(Self { client: Client::new(&config), arn: env.required("WEBHOOK_SECRET_ARN")?.to_owned() })
    }
}

impl SigningSecret for ManagedSecret {
    async fn signing_secret(&self) -> Result<WebhookSecret, NoSecret> {
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        // Not the errors themselves: they may print what was answered.
        let answer = answer.map_err(|error| NoSecret(error.code().unwrap_or("no answer").to_owned()))?;
        let value: Value = serde_json::from_str(answer.secret_string().unwrap_or_default())
            .map_err(|_| NoSecret("its value has no `current`".to_owned()))?;
        WebhookSecret::parse(value.current.expose()).map_err(|error| NoSecret(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use serde_json::json;
    use testkit::http::serve_once;

    use super::*;

    async fn loaded(value: &str) -> Result<WebhookSecret, NoSecret> {
        let answer = json!({"ARN": "arn", "Name": "webhook", "SecretString": value}).to_string();
        let (url, _request) = serve_once(200, &answer).await;
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
    async fn the_current_secret_signs() {
        let text = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = loaded(&json!({"previous": "", "current": text}).to_string()).await.unwrap();
        let now = Timestamp::from_unix_seconds(1_769_860_800).unwrap();
        assert_eq!(secret.sign("m", now, b"{}"), WebhookSecret::parse(text).unwrap().sign("m", now, b"{}"));
    }

    #[tokio::test]
    async fn a_value_without_a_usable_secret_is_not_told() {
        for value in [json!("hunter2"), json!({"previous": "hunter2"}), json!({"current": "hunter2"})] {
            let NoSecret(why) = loaded(&value.to_string()).await.unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
