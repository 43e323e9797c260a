//! The event loop of a function behind API Gateway.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use config::{ConfigError, Env};
use kernel::{Clock, SystemClock, Timestamp};
use lambda::time_until;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::{Body, RequestExt};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::access_log::AccessLogEntry;
use crate::cookies::TokenCookies;
use crate::csrf::AllowedOrigins;
use crate::{Problem, QueryParameters, Request, Response, event};

/// Runs a function behind API Gateway that takes no query parameters: see [`serve_with_query`].
pub fn serve<S, I, IF, H, HF, B>(init: I, handle: H) -> ExitCode
where
    S: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<S, ConfigError>>,
    H: Fn(&'static S, Request) -> HF,
    HF: Future<Output = Result<Response<B>, Problem>> + Send,
    B: Into<Body>,
{
    serve_with_query(QueryParameters::NONE, init, handle)
}

/// Runs a function behind API Gateway. `init` builds the state; `handle` processes one request. Malformed requests, cross-site
/// requests and those with other query parameters are rejected before `handle`, so no endpoint can omit the checks. A
/// [`Problem`] is logged once, here, and returned to the client without its cause.
pub fn serve_with_query<S, I, IF, H, HF, B>(query: QueryParameters, init: I, handle: H) -> ExitCode
where
    S: Sync + 'static,
    I: FnOnce(Env) -> IF,
    IF: Future<Output = Result<S, ConfigError>>,
    H: Fn(&'static S, Request) -> HF,
    HF: Future<Output = Result<Response<B>, Problem>> + Send,
    B: Into<Body>,
{
    lambda::start(init, async |env, state| {
        let gate = Gate::from_env(env, query)?;
        lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
            let answer = gate.answer(event.payload.get(), event.context, |request| handle(state, request));
            // Boxed because the type of the whole loop exceeds the compiler's recursion limit.
            let response: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(answer);
            response
        }))
        .await
    })
}

/// What every request passes before it reaches a handler, and every response on its way back.
pub struct Gate {
    function: String,
    origins: AllowedOrigins,
    cookies: TokenCookies,
    query: QueryParameters,
}

impl Gate {
    /// # Errors
    /// [`ConfigError`] if a setting is invalid.
    pub fn from_env(env: &Env, query: QueryParameters) -> Result<Self, ConfigError> {
        let function = env.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("function").to_owned();
        Ok(Self { function, origins: AllowedOrigins::from_env(env)?, cookies: TokenCookies::from_env(env)?, query })
    }

    /// Answers one event of API Gateway, in the time that the invocation has. `handle` receives the request if it is admitted.
    ///
    /// # Errors
    /// If a header of the response has a value that no header can have.
    pub fn answer<H, HF, B>(
        &self,
        event: &str,
        context: Context,
        handle: H,
    ) -> impl Future<Output = Result<ApiGatewayV2httpResponse, lambda_runtime::Error>> + Send + use<H, HF, B>
    where
        H: FnOnce(Request) -> HF,
        HF: Future<Output = Result<Response<B>, Problem>> + Send,
        B: Into<Body>,
    {
        let time_left = time_until(context.deadline);
        let (log, admitted) = self.admit(event, context);
        // Boxed because it has some kilobytes, which each of the futures around it would copy.
        let handled = admitted.map(|request| Box::pin(handle(request)));
        respond(log, deadline::with_time_left(time_left, async { handled?.await }))
    }

    fn admit(&self, event: &str, context: Context) -> (RequestLog, Result<Request, Problem>) {
        let (mut request, verdict) = event::read(event, context);
        request.extensions_mut().insert(self.cookies);
        let log = RequestLog::new(&request, self.function.clone());
        let verdict = verdict.and_then(|()| self.origins.check(&request)).and_then(|()| self.query.check(&request));
        (log, verdict.map(|()| request))
    }
}

async fn respond<B: Into<Body>>(
    log: RequestLog,
    outcome: impl Future<Output = Result<Response<B>, Problem>> + Send,
) -> Result<ApiGatewayV2httpResponse, lambda_runtime::Error> {
    // At the level that no filter disables: every line names its request.
    let span = tracing::error_span!("request", requestId = log.request_id, correlationId = log.correlation_id);
    let outcome = outcome.instrument(span.clone()).await;
    span.in_scope(|| log.into_response(outcome))
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
    ) -> Result<ApiGatewayV2httpResponse, lambda_runtime::Error> {
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
        response(status, media_type, &self.request_id, headers, body)
    }
}

fn response(
    status: u16,
    media_type: &'static str,
    request_id: &str,
    headers: Vec<(&'static str, String)>,
    body: Body,
) -> Result<ApiGatewayV2httpResponse, lambda_runtime::Error> {
    let mut response = ApiGatewayV2httpResponse::default();
    let mut map = HeaderMap::new();
    map.insert("content-type", HeaderValue::from_static(media_type));
    map.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    map.insert("cache-control", HeaderValue::from_static("no-store"));
    map.insert("request-id", request_id.try_into()?);
    for (name, value) in headers {
        if name == "set-cookie" {
            response.cookies.push(value);
        } else {
            map.insert(name, value.try_into()?);
        }
    }
    response.status_code = status.into();
    response.headers = map;
    let body = as_text(body);
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = if matches!(body, Body::Empty) { None } else { Some(body) };
    Ok(response)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::problem_types;

    async fn answer(event: &Value) -> Value {
        let gate =
            Gate::from_env(&Env::from_iter([("AWS_LAMBDA_FUNCTION_NAME", "me")]), QueryParameters::NONE).unwrap();
        let mut context = Context::default();
        context.request_id = "r-1".to_owned();
        let handle = |_request| async { Ok(Response::new("text/plain", "done").header("set-cookie", "a=b")) };
        serde_json::to_value(gate.answer(&event.to_string(), context, handle).await.unwrap()).unwrap()
    }

    fn event(method: &str) -> Value {
        json!({"rawPath": "/auth/me", "requestContext": {"http": {"method": method}, "routeKey": "GET /auth/me"}})
    }

    #[tokio::test]
    async fn response_has_the_api_gateway_format() {
        let expected = json!({
            "statusCode": 200,
            "headers": {
                "content-type": "text/plain", "x-content-type-options": "nosniff", "cache-control": "no-store",
                "request-id": "r-1",
            },
            "multiValueHeaders": {},
            "cookies": ["a=b"],
            "body": "done",
            "isBase64Encoded": false,
        });
        assert_eq!(answer(&event("GET")).await, expected);
    }

    #[tokio::test]
    async fn malformed_event_is_a_problem() {
        let response = answer(&event("G E T")).await;
        let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&response["statusCode"], &body["code"]),
            (&json!(400), &json!(problem_types::INVALID_REQUEST.code))
        );
        assert_eq!((&body["instance"], &body["requestId"]), (&json!("/auth/me"), &json!("r-1")));
        assert_eq!(response["headers"]["content-type"], "application/problem+json");
    }

    #[tokio::test]
    async fn unknown_query_parameter_is_a_400() {
        let mut event = event("GET");
        event["rawQueryString"] = json!("verbose=1");
        let response = answer(&event).await;
        let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!((&response["statusCode"], &body["errors"][0]["pointer"]), (&json!(400), &json!("/verbose")));
    }

    #[test]
    fn bytes_that_are_not_text_are_sent_in_base64() {
        let sent = response(200, "image/png", "r-1", Vec::new(), Body::Binary(vec![0xff, 0])).unwrap();
        assert_eq!((sent.is_base64_encoded, sent.body), (true, Some(Body::Binary(vec![0xff, 0]))));
        let sent = response(200, "text/css", "r-1", Vec::new(), Body::Binary(b"a{}".to_vec())).unwrap();
        assert_eq!((sent.is_base64_encoded, sent.body), (false, Some(Body::Text("a{}".to_owned()))));
    }
}
