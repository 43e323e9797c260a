//! `POST /api/payments/{reference}/status`.

use std::process::ExitCode;

use payment::http::update_payment_status::{State, handle};

fn main() -> ExitCode {
    payment::serve(State::from_env, handle)
}
