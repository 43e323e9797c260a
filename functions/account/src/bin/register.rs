//! `POST /api/auth/register`.

use std::process::ExitCode;

use account::app::sign_up;
use account::http::register;

fn main() -> ExitCode {
    http_api::serve(|env| async move { sign_up::from_env(&env, aws::dynamodb_client(&env)?) }, register)
}
