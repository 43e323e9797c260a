//! Attempts at a request whose outcome is unknown.

use std::cell::Cell;
use std::future::Future;

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

tokio::task_local! {
    static IS_LOST: Cell<bool>;
}

/// Observes the attempts that a client makes at a transaction. One that ended without a complete response, or with a server error, may
/// have been executed, or may be executed later, whatever the response to the next attempt is. Every client needs it.
///
/// An interceptor of the single request would compile the request's code a second time.
#[derive(Debug)]
pub struct LostResponses;

/// Sends a request. Returns its output, and whether the outcome of an attempt is unknown.
pub(crate) async fn observe<F: Future>(request: F) -> (F::Output, bool) {
    IS_LOST.scope(Cell::new(false), async { (request.await, IS_LOST.with(Cell::get)) }).await
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
        // A response that is cut off is an error with a status of success.
        if is_error && context.response().is_none_or(|response| !response.status().is_client_error()) {
            // Only transactions are observed.
            IS_LOST.try_with(|is_lost| is_lost.set(true)).ok();
        }
        Ok(())
    }
}
