//! `POST /payments/accounts`.

use std::process::ExitCode;

use payment::http::open_account::{State, handle};

fn main() -> ExitCode {
    payment::serve(State::from_env, handle)
}
