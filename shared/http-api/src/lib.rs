//! HTTP handlers behind an API Gateway HTTP API.
//!
//! A handler takes a [`Request`] and returns a [`Response`] or a [`Problem`]. [`serve`] runs it: it rejects cross-site
//! requests, writes the access log line, and turns a problem into `application/problem+json` (RFC 9457).

mod access_log;
mod cookies;
mod csrf;
mod event;
mod problem;
mod query;
mod request;
mod response;
mod serve;
mod session_auth;

pub use cookies::{TokenCookies, cookie};
pub use problem::{FieldError, FieldErrors, Problem, ProblemType, problem_types};
pub use query::{QueryParameters, query_parameter};
pub use request::{IdempotencyKey, MAX_BODY_BYTES, Request, idempotency_key, json_body};
pub use response::Response;
pub use serve::{Gate, serve, serve_with_query};
pub use session_auth::{access_token, authenticate, claims, uses_cookie};
