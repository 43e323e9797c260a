//! `POST /auth/signin`.

use std::process::ExitCode;

use account::http::signin;
use account::sign_in;

fn main() -> ExitCode {
    runtime::serve_http(|env| async move { sign_in::from_env(&env, runtime::aws::dynamodb(&env)?).await }, signin)
}
