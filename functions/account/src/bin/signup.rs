//! `POST /auth/signup`.

use std::process::ExitCode;

use account::http::signup::{State, handle};

fn main() -> ExitCode {
    http_api::serve(|env| async move { State::from_env(&env, aws::dynamodb_client(&env)?) }, handle)
}
