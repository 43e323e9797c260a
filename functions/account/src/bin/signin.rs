//! `POST /auth/signin`.

use std::process::ExitCode;

use account::http::signin::{State, handle};

fn main() -> ExitCode {
    http_api::serve(|env| async move { State::from_env(&env, aws::dynamodb_client(&env)?).await }, handle)
}
