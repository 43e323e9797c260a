//! `GET /api/auth/validate`.

use std::process::ExitCode;

use account::http::validate::{State, handle};

fn main() -> ExitCode {
    http_api::serve(State::from_env, handle)
}
