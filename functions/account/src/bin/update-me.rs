//! `PATCH /auth/me`.

use std::process::ExitCode;

use account::http::update_me::{State, handle};

fn main() -> ExitCode {
    account::serve_with_session(State::from_env, handle)
}
