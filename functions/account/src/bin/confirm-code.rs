//! `POST /auth/verifications/confirm`.

use std::process::ExitCode;

use account::http::confirm_code::{State, handle};

fn main() -> ExitCode {
    account::serve_with_session(State::from_env, handle)
}
