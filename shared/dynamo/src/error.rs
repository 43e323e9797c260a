//! Errors of a store.

use std::error::Error;
use std::fmt::{Debug, Display};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A request to the store failed. The messages are for the log and contain no item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB is unreachable or throttling: the request may succeed later.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// A permission is missing, a request is malformed, or an item has an unexpected shape: a retry will fail again.
    #[error("store error: {0}")]
    Internal(String),
}

impl StoreError {
    /// An item or a request has an unexpected shape.
    pub fn internal(cause: impl Display) -> Self {
        Self::Internal(cause.to_string())
    }

    /// A transaction may have been committed.
    pub fn outcome_unknown() -> Self {
        Self::Unavailable("the outcome of a transaction is unknown".to_owned())
    }
}

/// The error codes after which the same request may succeed later
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).
const TRANSIENT: [&str; 8] = [
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug,
{
    fn from(error: SdkError<E, R>) -> Self {
        let SdkError::ServiceError(rejected) = &error else {
            let transient = !matches!(error, SdkError::ConstructionFailure(_));
            let text = with_sources(&error);
            return if transient { Self::Unavailable(text) } else { Self::Internal(text) };
        };
        // The error itself would print the whole response, which may contain an item.
        let code = rejected.err().code().unwrap_or("unknown error");
        let text = format!("{code}: {}", rejected.err().message().unwrap_or("no message"));
        if TRANSIENT.contains(&code) { Self::Unavailable(text) } else { Self::Internal(text) }
    }
}

fn with_sources<E: Error + 'static, R: Debug>(error: &SdkError<E, R>) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
