//! From the start of the process to the first event: telemetry, configuration, dependencies, and then the loop.

use std::fmt::Display;
use std::future::{Future, ready};
use std::pin::Pin;
use std::process::ExitCode;

use kernel::{Clock, SystemClock, Timestamp};
use lambda_http::{Body, IntoResponse, RequestExt, Response};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::http::{AllowedOrigins, Answer, Problem, Request};
use crate::telemetry::{self, RequestRecord};
use crate::{ConfigError, Env};

/// Runs a function behind API Gateway. `init` reads the configuration and makes the dependencies; `handle` answers one
/// request, unless another site's page had it sent: no endpoint can forget to refuse that. What comes as a [`Problem`] is
/// logged here, once, and told to the client without its cause.
pub fn serve_http<D, I, IF, H, HF, B>(init: I, handle: H) -> ExitCode
where
    D: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<D, ConfigError>>,
    H: Fn(&'static D, Request) -> HF,
    HF: Future<Output = Result<Answer<B>, Problem>> + Send,
    B: Into<Body>,
{
    start(init, async |env, deps| {
        let origins = leak(AllowedOrigins::from_env(env)?);
        let function: &'static str = leak(env.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("function").to_owned());
        lambda_http::run(service_fn(|request: Request| {
            let call = Call::of(&request, function);
            let admitted = origins.check(&request).map(|()| handle(deps, request));
            respond(call, async { admitted?.await })
        }))
        .await
    })
}

/// Runs a function that an event source invokes.
pub fn serve_events<D, I, IF, H, HF, E, A, X>(init: I, handle: H) -> ExitCode
where
    D: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<D, ConfigError>>,
    H: Fn(&'static D, E) -> HF,
    HF: Future<Output = Result<A, X>>,
    E: DeserializeOwned,
    A: Serialize,
    X: Display,
{
    serve_invocations(init, |deps, event, _request_id| handle(deps, event))
}

/// Runs a function that an operator or a schedule invokes, whose id of the invocation is written down.
pub fn serve_invocations<D, I, IF, H, HF, E, A, X>(init: I, handle: H) -> ExitCode
where
    D: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<D, ConfigError>>,
    H: Fn(&'static D, E, String) -> HF,
    HF: Future<Output = Result<A, X>>,
    E: DeserializeOwned,
    A: Serialize,
    X: Display,
{
    start(init, async |_env, deps| {
        lambda_runtime::run(service_fn(|event: LambdaEvent<E>| {
            let span = tracing::info_span!("invocation", requestId = event.context.request_id);
            // Boxed: the type of the whole loop is otherwise deeper than the compiler follows.
            let answer = Box::pin(handle(deps, event.payload, event.context.request_id));
            async move {
                answer.await.map_err(|error| {
                    tracing::error!(%error, "the invocation failed");
                    lambda_runtime::Error::from(error.to_string())
                })
            }
            .instrument(span)
        }))
        .await
    })
}

fn start<D, I, IF>(init: I, run: impl AsyncFnOnce(&Env, &'static D) -> Result<(), lambda_runtime::Error>) -> ExitCode
where
    D: 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<D, ConfigError>>,
{
    let env = Env::of_process();
    telemetry::init(&env);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(async {
        let deps = match init(env.clone()).await {
            Ok(deps) => leak(deps),
            Err(error) => return failed(&error),
        };
        match run(&env, deps).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        }
    })
}

fn failed(error: &dyn Display) -> ExitCode {
    tracing::error!(%error, "the function cannot run");
    ExitCode::FAILURE
}

/// Dependencies live as long as the process does.
fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

async fn respond<B: Into<Body>>(
    call: Call,
    outcome: impl Future<Output = Result<Answer<B>, Problem>> + Send,
) -> Result<Complete, lambda_http::Error> {
    let span = tracing::info_span!("request", requestId = call.request_id, correlationId = call.correlation_id);
    let outcome = outcome.instrument(span.clone()).await;
    span.in_scope(|| call.conclude(outcome)).map(Complete)
}

/// A response whose text is in UTF-8. (Of any other, `lambda_http` asks in which of the world's encodings it is, and brings
/// the tables of all of them.)
struct Complete(Response<Body>);

impl IntoResponse for Complete {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0.map(as_text)))
    }
}

/// What is text goes as it is, and only other bytes in base64.
fn as_text(body: Body) -> Body {
    match body {
        Body::Binary(bytes) => {
            String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
        }
        text => text,
    }
}

/// What is known of a request beside what its handler is given.
struct Call {
    at: Timestamp,
    function: &'static str,
    request_id: String,
    correlation_id: String,
    route: String,
    path: String,
}

impl Call {
    fn of(request: &Request, function: &'static str) -> Self {
        use lambda_http::request::RequestContext;
        let (correlation_id, route) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => (context.request_id.clone(), context.route_key.clone()),
            _ => (None, None),
        };
        Self {
            at: SystemClock.now(),
            function,
            request_id: request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default(),
            correlation_id: correlation_id.unwrap_or_default(),
            route: route.unwrap_or_default(),
            path: request.uri().path().to_owned(),
        }
    }

    fn conclude<B: Into<Body>>(
        self,
        outcome: Result<Answer<B>, Problem>,
    ) -> Result<Response<Body>, lambda_http::Error> {
        let code = outcome.as_ref().err().map(|problem| problem.kind.code);
        let (status, media_type, headers, body) = match outcome {
            Ok(answer) => (answer.status.as_u16(), answer.media_type, answer.headers, answer.body.into()),
            Err(problem) => {
                log(&problem);
                let body = problem.body(&self.path, &self.request_id).to_string();
                (problem.kind.status, "application/problem+json", problem.headers, body.into())
            }
        };
        RequestRecord {
            at: self.at,
            function: self.function,
            request_id: &self.request_id,
            correlation_id: &self.correlation_id,
            route: &self.route,
            status,
            code,
            duration_ms: SystemClock.now().unix_millis().saturating_sub(self.at.unix_millis()),
        }
        .write();
        let mut response = Response::builder()
            .status(status)
            .header("content-type", media_type)
            .header("x-content-type-options", "nosniff")
            .header("request-id", self.request_id);
        if !headers.iter().any(|(name, _)| *name == "cache-control") {
            response = response.header("cache-control", "no-store");
        }
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(body)?)
    }
}

fn log(problem: &Problem) {
    let cause = problem.cause().unwrap_or_default();
    match problem.kind.status {
        500 => tracing::error!(code = problem.kind.code, cause, "the request failed"),
        // Passes by itself, as a rule; the metric tells how often it happens.
        501.. => tracing::warn!(code = problem.kind.code, cause, "the request is to be tried again"),
        _ => tracing::debug!(code = problem.kind.code, cause, "the request was refused"),
    }
}
