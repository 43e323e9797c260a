//! What may go wrong in this context.

use std::time::Duration;

use crate::app::refresh_session::RefusedRefreshToken;
use crate::domain::{HashingError, IdentifierKind, Revoked, SigningError};
use crate::notify::DeliveryError;
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
    /// The identifier has to wait, for so long, before another attempt to sign in by it is made.
    #[error("too many failed attempts: the next may be made in {0:?}")]
    TooManyAttempts(Duration),
    /// The token is good, but what it stands for is not any more.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The refresh token is not one to go on with.
    #[error("the refresh token is refused: {0}")]
    InvalidRefreshToken(#[from] RefusedRefreshToken),
    /// The person has no identifier of this kind.
    #[error("the person has no such identifier")]
    NoSuchIdentifier(IdentifierKind),
    /// The person has verified their identifier of this kind.
    #[error("the identifier is verified")]
    AlreadyVerified(IdentifierKind),
    /// The next code may be sent after so long.
    #[error("a code was sent a moment ago: the next may be sent in {0:?}")]
    CodeSentRecently(Duration),
    /// It is not the code that was sent, or none is good just now. Which of it is so, is not told.
    #[error("no such code")]
    InvalidCode,
    /// The code did not go out.
    #[error("{reason}")]
    CodeNotSent {
        /// Why.
        reason: DeliveryError,
        /// How long it is until another may be sent.
        resend_after: Duration,
    },
    /// The person changed again and again while they signed in.
    #[error("the person kept changing")]
    UserKeptChanging,
    /// The deployment has no key to sign with yet.
    #[error("there is no signing key yet")]
    NoSigningKey,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
}
