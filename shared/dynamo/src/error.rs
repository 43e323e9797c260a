//! When DynamoDB does not do what it was asked.

use std::error::Error;
use std::fmt::{Debug, Display};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why a command or a question to the store failed. The texts are for the log, and hold nothing of an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or has too much to do: the same may succeed later.
    #[error("the store does not answer just now: {0}")]
    Unavailable(String),
    /// A permission is missing, a request is malformed, or an item is not what it should be: it will fail again.
    #[error("the store cannot do this: {0}")]
    Internal(String),
}

impl StoreError {
    /// Something stored, or to be stored, is not what it should be.
    pub fn internal(what: impl Display) -> Self {
        Self::Internal(what.to_string())
    }
}

/// What DynamoDB answers when it has too much to do, or has a fault of its own
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
        let SdkError::ServiceError(refused) = &error else {
            let transient = !matches!(error, SdkError::ConstructionFailure(_));
            let text = chain(&error);
            return if transient { Self::Unavailable(text) } else { Self::Internal(text) };
        };
        // Not the error itself: it prints the whole response, and that may hold an item.
        let code = refused.err().code().unwrap_or("unknown error");
        let text = format!("{code}: {}", refused.err().message().unwrap_or("no message"));
        if TRANSIENT.contains(&code) { Self::Unavailable(text) } else { Self::Internal(text) }
    }
}

fn chain<E: Error + 'static, R: Debug>(error: &SdkError<E, R>) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
