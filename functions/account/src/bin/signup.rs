//! `POST /auth/signup`.

use std::process::ExitCode;

use account::http::signup;
use account::sign_up;

fn main() -> ExitCode {
    http_api::serve(|env| async move { sign_up::from_env(&env, aws::dynamodb_client(&env)?) }, signup)
}
