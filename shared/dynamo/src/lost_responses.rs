//! Attempts at a request whose outcome is unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// Observes the attempts that the SDK makes at one request. One that ended without a response, or with a server error, may
/// have been executed, or may be executed later, whatever the response to the next attempt is.
#[derive(Debug, Clone, Default)]
pub(crate) struct LostResponses(Arc<AtomicBool>);

impl LostResponses {
    /// Whether the outcome of an attempt is unknown.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for LostResponses {
    fn name(&self) -> &'static str {
        "LostResponses"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_error = context.output_or_error().is_some_and(|outcome| outcome.is_err());
        if is_error && context.response().is_none_or(|response| response.status().is_server_error()) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
