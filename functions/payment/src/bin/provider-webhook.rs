//! `POST /api/payments/webhook/provider`.

use std::process::ExitCode;

use payment::http::provider_webhook::{State, handle};

fn main() -> ExitCode {
    http_api::serve(State::from_env, handle)
}
