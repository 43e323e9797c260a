//! `GET /auth/sessions`.

use std::process::ExitCode;

use account::http::list_sessions::{QUERY, State, handle};
use kernel::{SystemClock, SystemRandom};

fn main() -> ExitCode {
    account::serve_with_token(
        QUERY,
        |env, clients| {
            Ok(State::new(clients.dynamodb.clone(), env.required("ACCOUNT_TABLE")?, SystemClock, SystemRandom))
        },
        handle,
    )
}
