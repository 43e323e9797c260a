//! The event loop of a function behind API Gateway.

use std::future::{Future, ready};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use config::{ConfigError, Env};
use kernel::{Clock, SystemClock, Timestamp};
use lambda::time_until;
use lambda_http::{Body, IntoResponse, RequestExt};
use lambda_runtime::service_fn;
use tracing::Instrument;

use crate::access_log::AccessLogEntry;
use crate::csrf::AllowedOrigins;
use crate::{Problem, Request, Response};

/// Runs a function behind API Gateway. `init` builds the state; `handle` processes one request. Cross-site requests are
/// rejected before `handle`, so no endpoint can omit the check. A [`Problem`] is logged once, here, and returned to the
/// client without its cause.
pub fn serve<S, I, IF, H, HF, B>(init: I, handle: H) -> ExitCode
where
    S: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<S, ConfigError>>,
    H: Fn(&'static S, Request) -> HF,
    HF: Future<Output = Result<Response<B>, Problem>> + Send,
    B: Into<Body>,
{
    lambda::start(init, async |env, state| {
        let origins = AllowedOrigins::from_env(env)?;
        let function = env.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("function");
        lambda_http::run(service_fn(|request: Request| {
            let log = RequestLog::new(&request, function.to_owned());
            let time_left = request.lambda_context_ref().map_or(Duration::MAX, |context| time_until(context.deadline));
            let admitted = origins.check(&request).map(|()| handle(state, request));
            respond(log, deadline::with_time_left(time_left, async { admitted?.await }))
        }))
        .await
    })
}

async fn respond<B: Into<Body>>(
    log: RequestLog,
    outcome: impl Future<Output = Result<Response<B>, Problem>> + Send,
) -> Result<Utf8Response, lambda_http::Error> {
    // At the level that no filter disables: every line names its request.
    let span = tracing::error_span!("request", requestId = log.request_id, correlationId = log.correlation_id);
    let outcome = outcome.instrument(span.clone()).await;
    span.in_scope(|| log.into_response(outcome)).map(Utf8Response)
}

/// A response whose text is UTF-8. For any other type `lambda_http` detects the character encoding, which links the
/// tables of all encodings.
struct Utf8Response(lambda_http::Response<Body>);

impl IntoResponse for Utf8Response {
    fn into_response(self) -> Pin<Box<dyn Future<Output = lambda_http::Response<Body>> + Send>> {
        Box::pin(ready(self.0.map(as_text)))
    }
}

/// Keeps UTF-8 bytes as text; only other bytes are sent base64-encoded.
fn as_text(body: Body) -> Body {
    match body {
        Body::Binary(bytes) => {
            String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
        }
        text => text,
    }
}

/// What the access log records of a request.
struct RequestLog {
    at: Timestamp,
    function: String,
    request_id: String,
    correlation_id: String,
    route: String,
    path: String,
}

impl RequestLog {
    fn new(request: &Request, function: String) -> Self {
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

    /// Writes the access log line and builds the HTTP response.
    fn into_response<B: Into<Body>>(
        self,
        outcome: Result<Response<B>, Problem>,
    ) -> Result<lambda_http::Response<Body>, lambda_http::Error> {
        let code = outcome.as_ref().err().map(|problem| problem.problem_type.code);
        let (status, media_type, headers, body) = match outcome {
            Ok(response) => (response.status.as_u16(), response.media_type, response.headers, response.body.into()),
            Err(problem) => {
                log(&problem);
                let body = problem.body(&self.path, &self.request_id).to_string();
                (problem.problem_type.status, "application/problem+json", problem.headers, body.into())
            }
        };
        AccessLogEntry {
            at: self.at,
            function: &self.function,
            request_id: &self.request_id,
            correlation_id: &self.correlation_id,
            route: &self.route,
            status,
            code,
            duration_ms: SystemClock.now().unix_millis().saturating_sub(self.at.unix_millis()),
        }
        .write();
        let mut response = lambda_http::Response::builder()
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
    let code = problem.problem_type.code;
    match problem.problem_type.status {
        500 => tracing::error!(code, cause, "request failed"),
        // Usually transient; the metric `Failed` shows how often it happens.
        501.. => tracing::warn!(code, cause, "request failed temporarily"),
        _ => tracing::debug!(code, cause, "request rejected"),
    }
}
