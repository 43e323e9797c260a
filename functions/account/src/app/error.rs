//! The errors of this context.

use std::time::Duration;

use crate::domain::{HashingError, IdentifierKind, RefreshTokenRejection, Revoked, SigningError};
use crate::notify::DeliveryError;
use crate::store::{StoreError, UpdateError};

/// Why a request failed. [`http`](crate::http) maps each variant to a problem.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("identifier already in use")]
    IdentifierTaken(Vec<IdentifierKind>),
    /// The identifier is unknown, the password is wrong, or the user is suspended.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The current password that a change requires is wrong.
    #[error("wrong current password")]
    WrongCurrentPassword,
    /// Another attempt is allowed after this duration.
    #[error("too many failed attempts; retry in {0:?}")]
    TooManyAttempts(Duration),
    /// Other attempts are being checked, and whether this one has to wait depends on their outcome.
    #[error("other attempts are in progress")]
    AttemptsInProgress,
    /// The token is valid, but its session or epoch has ended.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    #[error("refresh token rejected: {0}")]
    InvalidRefreshToken(#[from] RefreshTokenRejection),
    #[error("the user has no such identifier")]
    NoSuchIdentifier(IdentifierKind),
    #[error("identifier already verified")]
    AlreadyVerified(IdentifierKind),
    /// Another code can be sent after this duration.
    #[error("code sent recently; retry in {0:?}")]
    CodeSentRecently(Duration),
    /// The code is wrong or has expired, or there is none.
    #[error("invalid code")]
    InvalidCode,
    #[error("{reason}")]
    CodeNotSent {
        reason: DeliveryError,
        /// The time until another code can be sent.
        resend_after: Duration,
    },
    /// Every attempt conflicted with a concurrent update.
    #[error("too many concurrent updates of the user")]
    UserKeptChanging,
    #[error("no signing key yet")]
    NoSigningKey,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Signing(#[from] SigningError),
}

impl From<UpdateError> for AccountError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::IdentifierTaken(taken) => Self::IdentifierTaken(taken),
            UpdateError::CodeExpired => Self::InvalidCode,
            UpdateError::TooManyConflicts => Self::UserKeptChanging,
            UpdateError::Store(error) => Self::Store(error),
        }
    }
}
