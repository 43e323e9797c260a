//! `POST /api/auth/login`.

use std::process::ExitCode;

use account::http::login::{State, handle};

fn main() -> ExitCode {
    http_api::serve(|env| async move { State::from_env(&env, aws::dynamodb_client(&env)?).await }, handle)
}
