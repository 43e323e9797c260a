//! `POST /payments/withdraw`.

use std::process::ExitCode;

use payment::http::withdraw::{State, handle};

fn main() -> ExitCode {
    payment::serve(State::from_env, handle)
}
