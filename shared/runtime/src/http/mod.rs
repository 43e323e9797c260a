//! HTTP as the handlers see it: a request is taken apart, an answer or a problem is given back.

mod answer;
mod origin;
mod principal;
mod problem;
mod request;

pub use answer::Answer;
pub(crate) use origin::AllowedOrigins;
pub use principal::{
    ACCESS_TOKEN_COOKIE, REFRESH_TOKEN_COOKIE, access_token, authenticate, claims, refresh_token_cookie, uses_cookie,
};
pub use problem::{FieldError, Fields, Kind, Problem, kinds};
pub use request::{IdempotencyKey, MAX_BODY_BYTES, Request, deadline, idempotency_key, json_body, query_parameter};
