//! AWS clients: region, credentials and endpoint as the Lambda environment states them, and no search for them.
//!
//! The default provider chain of `aws-config` looks for credentials in files, in SSO caches and over the network; a
//! function has them in its environment
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::{ConfigError, Env, trust};

/// What every client is built from.
///
/// # Errors
///
/// [`ConfigError`] if the region or the credentials are missing, or `AWS_CA_BUNDLE` is none.
pub fn sdk_config(env: &Env) -> Result<SdkConfig, ConfigError> {
    let credentials = Credentials::new(
        env.required("AWS_ACCESS_KEY_ID")?,
        env.required("AWS_SECRET_ACCESS_KEY")?,
        env.optional("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(env.required("AWS_REGION")?.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(trust::http_client(env)?)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build());
    config.set_endpoint_url(env.optional("AWS_ENDPOINT_URL").map(str::to_owned));
    Ok(config.build())
}

/// A DynamoDB client. `AWS_ENDPOINT_URL_DYNAMODB` goes before `AWS_ENDPOINT_URL`, as the SDKs agree.
///
/// # Errors
///
/// [`ConfigError`] if the region or the credentials are missing.
pub fn dynamodb(env: &Env) -> Result<aws_sdk_dynamodb::Client, ConfigError> {
    let mut config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(env)?);
    if let Some(url) = env.optional("AWS_ENDPOINT_URL_DYNAMODB") {
        config.set_endpoint_url(Some(url.to_owned()));
    }
    Ok(aws_sdk_dynamodb::Client::from_conf(config.build()))
}
