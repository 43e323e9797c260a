//! `POST /payments/send`.

use std::process::ExitCode;

use payment::http::send::{State, handle};

fn main() -> ExitCode {
    payment::serve(State::from_env, handle)
}
