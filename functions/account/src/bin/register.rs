//! `POST /api/auth/register`.

use std::process::ExitCode;

use account::http::register;
use account::sign_up;

fn main() -> ExitCode {
    runtime::serve_http(|env| async move { sign_up::from_env(&env, runtime::aws::dynamodb(&env)?) }, register)
}
