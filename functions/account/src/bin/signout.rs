//! `POST /auth/signout`.

use std::process::ExitCode;

use account::http::signout::{QUERY, State, handle};

fn main() -> ExitCode {
    account::serve_with_optional_token(QUERY, State::from_env, handle)
}
