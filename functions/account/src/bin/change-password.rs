//! `POST /auth/password`.

use std::process::ExitCode;

use account::http::change_password::{State, handle};

fn main() -> ExitCode {
    account::serve_with_session(State::from_env, handle)
}
