//! `GET /auth/sessions`.

use std::process::ExitCode;

use account::http::list_sessions::{State, handle};
use kernel::{SystemClock, SystemRandom};

fn main() -> ExitCode {
    account::serve_with_token(
        |env, clients| {
            Ok(State::new(clients.dynamodb.clone(), env.required("ACCOUNT_TABLE")?, SystemClock, SystemRandom))
        },
        handle,
    )
}
