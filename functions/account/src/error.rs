//! What may go wrong in this context.

use crate::domain::{HashingFailed, IdentifierKind, Revoked, SigningFailed};
use crate::store::StoreError;

/// Why a request of a person was not carried out. [`http`](crate::http) says what a client is told of each.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Somebody has these identifiers already.
    #[error("an identifier is taken")]
    IdentifierTaken(Vec<IdentifierKind>),
    /// Nobody who may act has this identifier and this password. Which of it is so, is not told.
    #[error("no such identifier and password")]
    InvalidCredentials,
    /// The token is good, but what it stands for is not any more.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The person changed again and again while they signed in.
    #[error("the person kept changing")]
    PersonKeptChanging,
    /// The deployment has no key to sign with yet.
    #[error("there is no signing key yet")]
    NoSigningKey,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingFailed),
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}
