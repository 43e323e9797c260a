//! DynamoDB: one file per port, each port one command or one question, in one round trip.
//!
//! Handlers know the ports, which are traits of one method; [`AccountTable`] and [`SigningKeyTable`] implement them.
//! What the tables hold is in [`items`].

pub mod items;

mod create_person;
mod end_session;
mod find_credential;
mod find_session;
mod install_first_key;
mod load_signing_key;
mod start_session;
#[cfg(test)]
mod testing;
mod transaction;

use aws_sdk_dynamodb::Client;
use kernel::Random;

pub use create_person::{CreatePerson, Created};
pub use end_session::EndSession;
pub use find_credential::{Credential, FindCredential};
pub use find_session::FindSession;
pub use install_first_key::{InstallFirstKey, KeyTables};
pub use load_signing_key::LoadSigningKey;
pub use runtime::dynamodb::StoreError;
pub use start_session::{StartSession, Started};

/// People, what they sign in by, and their sessions.
#[derive(Debug, Clone)]
pub struct AccountTable<R> {
    client: Client,
    name: String,
    /// Spreads retries in time.
    random: R,
}

impl<R: Random> AccountTable<R> {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>, random: R) -> Self {
        Self { client, name: name.into(), random }
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
