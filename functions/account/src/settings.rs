//! What of the environment several use cases read.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use kernel::Secret;
use runtime::{ConfigError, Env};

use crate::current_key::CurrentKey;
use crate::domain::{AccessTokens, AuditTrail, Lifetimes};
use crate::store::SigningKeyTable;

/// How audit records are made.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn audit_trail(env: &Env) -> Result<AuditTrail, ConfigError> {
    let days: u64 = env.parsed("AUDIT_RETENTION_DAYS")?;
    let pepper = Secret::new(env.required("SOURCE_PEPPER")?.to_owned());
    Ok(AuditTrail::new(&pepper, Duration::from_hours(days.saturating_mul(24))))
}

/// How long sessions and their tokens last.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn lifetimes(env: &Env) -> Result<Lifetimes, ConfigError> {
    Ok(Lifetimes {
        access_token: Duration::from_secs(env.parsed("ACCESS_TOKEN_SECONDS")?),
        idle: Duration::from_secs(env.parsed("SESSION_IDLE_SECONDS")?),
        absolute: Duration::from_secs(env.parsed("SESSION_ABSOLUTE_SECONDS")?),
    })
}

/// What access tokens say of where they come from and whom they are for.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn access_tokens(env: &Env) -> Result<AccessTokens, ConfigError> {
    Ok(AccessTokens::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?))
}

/// What access tokens are signed with. The key is loaded here, and with it the connection is open before the first
/// request comes.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub async fn signing_key(env: &Env, client: Client) -> Result<CurrentKey<SigningKeyTable>, ConfigError> {
    let key = CurrentKey::new(SigningKeyTable::new(client, env.required("SIGNING_KEY_TABLE")?));
    key.warm_up().await;
    Ok(key)
}
