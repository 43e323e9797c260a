//! Start-up of a function: logging, configuration, state, and then the event loop.

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use config::{ConfigError, Env};
use kernel::{Clock, SystemClock};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::telemetry;

/// Runs a function that is invoked by an event source. `init` builds the state; `handle` processes one event.
pub fn serve_events<S, I, IF, H, HF, E, A, X>(init: I, handle: H) -> ExitCode
where
    S: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<S, ConfigError>>,
    H: Fn(&'static S, E) -> HF,
    HF: Future<Output = Result<A, X>>,
    E: DeserializeOwned,
    A: Serialize,
    X: Display,
{
    serve_invocations(init, |state, event, _request_id| handle(state, event))
}

/// Runs a function that is invoked by an operator or a schedule. `handle` also receives Lambda's request id, which
/// identifies the invocation in the audit log.
pub fn serve_invocations<S, I, IF, H, HF, E, A, X>(init: I, handle: H) -> ExitCode
where
    S: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<S, ConfigError>>,
    H: Fn(&'static S, E, String) -> HF,
    HF: Future<Output = Result<A, X>>,
    E: DeserializeOwned,
    A: Serialize,
    X: Display,
{
    start(init, async |_env, state| {
        lambda_runtime::run(service_fn(|event: LambdaEvent<E>| {
            // At the level that no filter disables: every line names its invocation.
            let span = tracing::error_span!("invocation", requestId = event.context.request_id);
            // Boxed because the type of the whole loop exceeds the compiler's recursion limit.
            let time_left = time_until(event.context.deadline);
            let outcome = Box::pin(handle(state, event.payload, event.context.request_id));
            let outcome = deadline::with_time_left(time_left, outcome);
            async move {
                outcome.await.map_err(|error| {
                    tracing::error!(%error, "invocation failed");
                    lambda_runtime::Error::from(error.to_string())
                })
            }
            .instrument(span)
        }))
        .await
    })
}

/// The time until a deadline of the Runtime API, in milliseconds since 1970.
pub fn time_until(deadline: u64) -> Duration {
    let now = u64::try_from(SystemClock.now().unix_millis()).unwrap_or_default();
    Duration::from_millis(deadline.saturating_sub(now))
}

/// Initialises logging, builds the state with `init` and hands it to `run`, the event loop. The state is leaked: it lives
/// as long as the process.
pub fn start<S, I, IF>(
    init: I,
    run: impl AsyncFnOnce(&Env, &'static S) -> Result<(), lambda_runtime::Error>,
) -> ExitCode
where
    S: 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<S, ConfigError>>,
{
    let env = Env::from_process();
    telemetry::init(&env);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    runtime.block_on(async {
        let state = match init(env.clone()).await {
            Ok(state) => Box::leak(Box::new(state)),
            Err(error) => return failure(&error),
        };
        match run(&env, state).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    })
}

fn failure(error: &dyn Display) -> ExitCode {
    tracing::error!(%error, "function failed to start");
    ExitCode::FAILURE
}
