//! What may go wrong with the table itself.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// The table did not do as asked. The texts are for logs.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not now: throttled, unreachable, or too slow. The same request may succeed later.
    #[error("the table is not available: {0}")]
    Unavailable(String),
    /// It refuses what we asked: a mistake of ours, or a permission that is missing.
    #[error("the table refused: {0}")]
    Refused(String),
    /// An item is not as this build writes it.
    #[error("an item cannot be read: {0}")]
    Unreadable(String),
}

/// The errors by which DynamoDB says "later"
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>).
const TRANSIENT: [&str; 5] = [
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
];

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let transient = match &error {
            SdkError::ServiceError(service) => service.err().code().is_some_and(|code| TRANSIENT.contains(&code)),
            SdkError::ConstructionFailure(_) => false,
            _ => true,
        };
        let text = DisplayErrorContext(&error).to_string();
        if transient { Self::Unavailable(text) } else { Self::Refused(text) }
    }
}
