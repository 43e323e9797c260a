//! The verifier of access tokens.

use auth::Verifier;
use auth::table_keys::TableKeys;
use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::SystemClock;

/// Loads the public keys of the account table, which also opens the connection. If that fails, the first request retries.
/// # Errors
/// [`ConfigError`] if a setting is missing.
pub async fn from_env(env: &Env, client: Client) -> Result<Verifier<TableKeys, SystemClock>, ConfigError> {
    let keys = TableKeys::new(client, env.required("ACCOUNT_TABLE")?);
    let verifier = Verifier::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, keys, SystemClock);
    if let Err(error) = verifier.warm_up().await {
        tracing::warn!(%error, "loading the public keys during init failed");
    }
    Ok(verifier)
}
