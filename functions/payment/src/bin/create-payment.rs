//! `POST /api/payments`.

use std::process::ExitCode;

use payment::http::create_payment::{State, handle};

fn main() -> ExitCode {
    payment::serve(State::from_env, handle)
}
