//! `POST /auth/verifications`.

use std::process::ExitCode;

use account::http::send_code::{State, handle};

fn main() -> ExitCode {
    account::serve_with_session(State::from_env, handle)
}
