//! `GET /.well-known/jwks.json`.

use std::process::ExitCode;

use account::http::jwks::{State, handle};

fn main() -> ExitCode {
    http_api::serve(|env| async move { State::from_env(&env) }, handle)
}
