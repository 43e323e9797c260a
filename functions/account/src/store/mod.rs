//! DynamoDB: one file per port, each port one command or one question, in one round trip.
//!
//! Handlers know the ports, which are traits of one method; [`AccountTable`] and [`SigningKeyTable`] implement them.
//! What the tables hold is in [`records`].

pub mod records;

mod apply_rotation;
mod audit;
mod count_attempt;
mod create_user;
mod end_session;
mod find_credential;
mod find_session;
mod list_sessions;
mod load_key_set;
mod load_signing_key;
mod rotate_refresh_token;
mod start_session;
#[cfg(test)]
mod testing;
mod transaction;
mod update_user;
mod verification;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::Random;
use kernel::SystemRandom;

pub use apply_rotation::{ApplyRotation, KeyTables};
pub use audit::{AppendAuditEvent, AuditTable};
pub use count_attempt::{CountAttempt, CountReauthentication, Counted, Locked};
pub use create_user::{CreateUser, CreateUserOutcome};
pub use dynamo::StoreError;
pub use end_session::{EndSession, EndSessionOutcome};
pub use find_credential::{Credential, FindCredential};
pub use find_session::FindSession;
pub use list_sessions::{FindUser, ListSessions};
pub use load_key_set::LoadKeySet;
pub use load_signing_key::LoadSigningKey;
pub use rotate_refresh_token::RotateRefreshToken;
pub use start_session::{NewSession, StartSession, StartSessionOutcome};
pub use update_user::{UpdateOutcome, UpdateUser, UserUpdate};
pub use verification::{
    CodeAttempt, CountCodeAttempt, FindCodeHistory, NewCode, StoreCode, StoreCodeOutcome, VerifyIdentifier,
    VerifyOutcome,
};

/// People, what they sign in by, and their sessions.
#[derive(Clone)]
pub struct AccountTable {
    client: Client,
    name: String,
    /// Spreads retries in time.
    random: Arc<dyn Random + Send + Sync>,
    /// Where commands write down what they did.
    audit: Option<AuditTable>,
}

impl AccountTable {
    /// The table of this name, to ask questions.
    pub fn new(client: Client, name: impl Into<String>, random: impl Random + Send + Sync + 'static) -> Self {
        Self { client, name: name.into(), random: Arc::new(random), audit: None }
    }

    /// The table of this name, to ask and to give commands, which are written down in the trail.
    pub fn audited(
        client: Client,
        name: impl Into<String>,
        random: impl Random + Send + Sync + 'static,
        audit: AuditTable,
    ) -> Self {
        Self { audit: Some(audit), ..Self::new(client, name, random) }
    }

    fn audit(&self) -> Result<&AuditTable, StoreError> {
        self.audit.as_ref().ok_or_else(|| StoreError::internal("a command was given to a table that has no trail"))
    }
}

impl AccountTable {
    /// The tables that `ACCOUNT_TABLE` and `AUDIT_TABLE` name.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if one is not set.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let audit = AuditTable::from_env(env, client.clone())?;
        Ok(Self::audited(client, env.required("ACCOUNT_TABLE")?, SystemRandom, audit))
    }
}

/// The private halves of the keys that sign access tokens.
#[derive(Debug, Clone)]
pub struct SigningKeyTable {
    client: Client,
    name: String,
}

impl SigningKeyTable {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }
}
