//! `GET /api/auth/validate`.

use std::process::ExitCode;

use account::http::validate::{QUERY, State, handle};
use http_api::QueryParameters;

fn main() -> ExitCode {
    http_api::serve_with_query(QueryParameters::Only(QUERY), State::from_env, handle)
}
