//! `POST /api/auth/login`.

use std::process::ExitCode;

use account::app::sign_in;
use account::http::login;

fn main() -> ExitCode {
    http_api::serve(|env| async move { sign_in::from_env(&env, aws::dynamodb_client(&env)?).await }, login)
}
