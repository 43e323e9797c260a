//! `POST /auth/signout`.

use std::process::ExitCode;

use account::http::signout::{State, handle};

fn main() -> ExitCode {
    account::serve_with_optional_token(State::from_env, handle)
}
