//! Settings that several use cases share.

use std::time::Duration;

use config::{ConfigError, Env};
use kernel::Secret;

use crate::domain::{AuditLog, Lifetimes};

/// # Errors
/// [`ConfigError`] if a setting is missing.
pub fn audit_log(env: &Env) -> Result<AuditLog, ConfigError> {
    let days: u64 = env.parsed("AUDIT_RETENTION_DAYS")?;
    let pepper = Secret::new(env.required("SOURCE_PEPPER")?.to_owned());
    Ok(AuditLog::new(&pepper, Duration::from_hours(days.saturating_mul(24))))
}

/// # Errors
/// [`ConfigError`] if a setting is missing.
pub fn lifetimes(env: &Env) -> Result<Lifetimes, ConfigError> {
    Ok(Lifetimes {
        access_token: Duration::from_secs(env.parsed("ACCESS_TOKEN_SECONDS")?),
        idle: Duration::from_secs(env.parsed("SESSION_IDLE_SECONDS")?),
        absolute: Duration::from_secs(env.parsed("SESSION_ABSOLUTE_SECONDS")?),
    })
}
