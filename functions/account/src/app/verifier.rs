//! What verifies the access tokens of those who are signed in.

use auth::Verifier;
use auth::table_keys::TableKeys;
use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::SystemClock;

/// A verifier with the public keys of the account table. They are loaded here, and with them the connection is open
/// before the first request comes; if that fails, the first request tries again.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub async fn from_env(env: &Env, client: Client) -> Result<Verifier<TableKeys, SystemClock>, ConfigError> {
    let keys = TableKeys::new(client, env.required("ACCOUNT_TABLE")?);
    let verifier = Verifier::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, keys, SystemClock);
    if let Err(error) = verifier.warm_up().await {
        tracing::warn!(%error, "the public keys could not be loaded in init");
    }
    Ok(verifier)
}
