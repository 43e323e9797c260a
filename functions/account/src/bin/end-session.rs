//! `DELETE /auth/sessions/{id}`.

use std::process::ExitCode;

use account::http::end_session::{State, handle};

fn main() -> ExitCode {
    account::serve_with_session(State::from_env, handle)
}
