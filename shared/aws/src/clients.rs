//! AWS SDK clients.
//! The default provider chain of `aws-config` searches files, SSO caches and the network for credentials; a function has
//! them in its environment
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use config::{ConfigError, Env};
use dynamo::LostResponses;

use crate::connector::Connector;
use crate::tls::FallbackVerifier;

/// Builds the configuration that all clients share.
///
/// # Errors
/// [`ConfigError`] if the region, the credentials or, under `sam local`, the endpoint are missing, or if `AWS_CA_BUNDLE`
/// is invalid.
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
        .http_client(SharedHttpClient::new(Connector::new(FallbackVerifier::from_env(env)?)))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build());
    config.set_endpoint_url(endpoint_url(env)?.map(str::to_owned));
    Ok(config.build())
}

/// The endpoint of all services, or `None` for those of AWS.
/// `sam local` passes the developer's own credentials to a function, which must not use them at AWS by default
/// (<https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-using-invoke.html>).
fn endpoint_url(env: &Env) -> Result<Option<&str>, ConfigError> {
    if env.optional("AWS_SAM_LOCAL").is_some() {
        return env.required("AWS_ENDPOINT_URL").map(Some);
    }
    Ok(env.optional("AWS_ENDPOINT_URL"))
}

/// Builds a DynamoDB client with its own connection pool.
///
/// # Errors
/// [`ConfigError`] if the region or the credentials are missing.
pub fn dynamodb_client(env: &Env) -> Result<aws_sdk_dynamodb::Client, ConfigError> {
    Ok(dynamodb_client_from(&sdk_config(env)?, env))
}

/// Builds a DynamoDB client that shares its connection pool with other services.
pub fn dynamodb_client_from(config: &SdkConfig, env: &Env) -> aws_sdk_dynamodb::Client {
    let config = for_service(config, env, "AWS_ENDPOINT_URL_DYNAMODB");
    let config = aws_sdk_dynamodb::config::Builder::from(&config)
        .interceptor(ObserveDeadline)
        .interceptor(LostResponses)
        .interceptor(UserAgent);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// Applies the endpoint in `variable`, which takes precedence over `AWS_ENDPOINT_URL`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
pub fn for_service(config: &SdkConfig, env: &Env, variable: &'static str) -> SdkConfig {
    let Some(url) = env.optional(variable) else { return config.clone() };
    config.to_builder().endpoint_url(url).build()
}

/// Ends every call of a client within the time that is left to the invocation, retries included.
#[derive(Debug)]
pub struct ObserveDeadline;

impl Intercept for ObserveDeadline {
    fn name(&self) -> &'static str {
        "ObserveDeadline"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(time_left) = deadline::time_left() {
            config.interceptor_state().store_put(TimeoutConfig::builder().operation_timeout(time_left).build());
        }
        Ok(())
    }
}

/// Sends a constant `User-Agent`: the SDK composes one for every request, which costs instructions.
#[derive(Debug)]
struct UserAgent;

const USER_AGENT: &str = concat!("payments/", env!("CARGO_PKG_VERSION"), " aws-sdk-rust");

impl Intercept for UserAgent {
    fn name(&self) -> &'static str {
        "UserAgent"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config
            .interceptor_state()
            .store_put(disable_interceptor::<UserAgentInterceptor>("replaced by a constant user agent"));
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("user-agent", USER_AGENT);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const CREDENTIALS: [(&str, &str); 3] =
        [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "us-east-1")];

    fn endpoint(variables: &[(&str, &str)]) -> Result<Option<String>, ConfigError> {
        let env: Env = CREDENTIALS.iter().chain(variables).copied().collect();
        sdk_config(&env).map(|config| config.endpoint_url().map(str::to_owned))
    }

    #[test]
    fn empty_endpoint_is_that_of_aws() {
        assert_eq!(endpoint(&[("AWS_ENDPOINT_URL", "")]), Ok(None));
        assert_eq!(endpoint(&[("AWS_ENDPOINT_URL", "http://a")]), Ok(Some("http://a".to_owned())));
    }

    #[test]
    fn sam_local_without_endpoint_does_not_start() {
        for url in [&[][..], &[("AWS_ENDPOINT_URL", "")]] {
            let env = [&[("AWS_SAM_LOCAL", "true")], url].concat();
            assert_eq!(endpoint(&env), Err(ConfigError::Missing("AWS_ENDPOINT_URL")));
        }
        let local = [("AWS_SAM_LOCAL", "true"), ("AWS_ENDPOINT_URL", "http://172.17.0.1:4566")];
        assert_eq!(endpoint(&local), Ok(Some("http://172.17.0.1:4566".to_owned())));
    }

    #[tokio::test]
    async fn request_has_one_constant_user_agent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let env: Env = CREDENTIALS.into_iter().chain([("AWS_ENDPOINT_URL", url.as_str())]).collect();
        let client = dynamodb_client(&env).unwrap();
        let call = tokio::spawn(async move { client.list_tables().send().await });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        call.await.unwrap().unwrap();
        let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
        let agents: Vec<_> = request.lines().filter(|line| line.contains("user-agent:")).collect();
        assert_eq!(agents, [format!("user-agent: {USER_AGENT}")], "{request}");
    }
}
