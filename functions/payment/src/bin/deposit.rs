//! `POST /payments/deposit`.

use std::process::ExitCode;

use payment::http::deposit::{State, handle};

fn main() -> ExitCode {
    payment::serve(State::from_env, handle)
}
