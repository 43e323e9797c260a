//! `GET /auth/me`.

use std::process::ExitCode;

use account::http::me::{State, handle};

fn main() -> ExitCode {
    account::serve_with_session(|_, _| Ok(State), handle)
}
