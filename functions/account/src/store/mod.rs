//! The context's tables in DynamoDB, one file per noun. A method is one round trip, unless it says otherwise. [`keys`]
//! lists the items.

mod audit_log;
mod credentials;
mod keys;
mod sessions;
mod signing_keys;
#[cfg(test)]
pub(crate) mod testing;
mod users;
mod verification_codes;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use dynamo::{FailedConditions, Table, Transaction, TransactionOutcome};
use kernel::{Clock, Random, SystemClock, SystemRandom, Timestamp};

pub use audit_log::AuditTable;
pub use credentials::{CountedAttempt, Credential, SignInAttempt};
pub use dynamo::StoreError;
pub(crate) use keys::{PROFILE, SESSION_PREFIX};
pub(crate) use sessions::SessionRecord;
pub use sessions::{EndSessionOutcome, NewSession, SessionPage, StartSessionOutcome};
pub use signing_keys::{KeyTables, SigningKeyTable};
pub(crate) use signing_keys::{PublicKeyRecord, PublicKeyStatus};
#[cfg(test)]
pub(crate) use users::UPDATE_ATTEMPTS;
pub(crate) use users::UserRecord;
pub use users::{CreateUserOutcome, UpdateConflict, UpdateError, UpdateOutcome, UpdatePlan};
pub use verification_codes::{CodeAttempt, NewCode, StoreCodeOutcome};

/// How long a write is retried while it conflicts with other transactions. Conflicts are rare and short: they take two
/// sign-ups with one identifier, or two sign-ins of one user, at the same time.
const RETRY_BUDGET: Duration = Duration::from_secs(1);

/// Users, their credentials, sessions and verification codes.
#[derive(Debug, Clone)]
pub struct AccountTable {
    table: Table,
    /// The table that commands append audit events to.
    audit: Option<AuditTable>,
}

impl AccountTable {
    /// Creates a handle for queries. Commands that are audited fail.
    pub fn new(
        client: Client,
        name: impl Into<String>,
        clock: impl Clock + Send + Sync + 'static,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        Self { table: Table::new(client, name, clock, random, RETRY_BUDGET), audit: None }
    }

    /// Creates a handle for queries and commands.
    pub fn audited(
        client: Client,
        name: impl Into<String>,
        clock: impl Clock + Send + Sync + 'static,
        random: impl Random + Send + Sync + 'static,
        audit: AuditTable,
    ) -> Self {
        Self { audit: Some(audit), ..Self::new(client, name, clock, random) }
    }

    /// Creates a handle for queries and commands on the tables named by `ACCOUNT_TABLE` and `AUDIT_TABLE`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a variable is not set.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let audit = AuditTable::from_env(env, client.clone())?;
        Ok(Self::audited(client, env.required("ACCOUNT_TABLE")?, SystemClock, SystemRandom, audit))
    }

    pub fn now(&self) -> Timestamp {
        self.table.clock().now()
    }

    pub fn random(&self) -> &(dyn Random + Send + Sync) {
        self.table.random()
    }

    fn audit(&self) -> Result<&AuditTable, StoreError> {
        self.audit.as_ref().ok_or_else(|| StoreError::internal("command on an account table without an audit table"))
    }
}

/// Commits a transaction that appends an audit event as this part. Returns the conditions that were false, in which case
/// nothing was written. If the event is stored already, an earlier attempt, whose response was lost, was committed: the id
/// of an event is random.
async fn commit<P: Copy + PartialEq>(
    table: &Table,
    transaction: &Transaction<P>,
    audit_event: P,
) -> Result<Option<FailedConditions<P>>, StoreError> {
    match table.commit(transaction).await? {
        TransactionOutcome::Committed => Ok(None),
        TransactionOutcome::ConditionFailed(failed) if failed.contains(audit_event) => Ok(None),
        TransactionOutcome::ConditionFailed(failed) => Ok(Some(failed)),
        TransactionOutcome::Conflict => {
            Err(StoreError::Unavailable("conflicting transactions on the same items".to_owned()))
        }
    }
}
