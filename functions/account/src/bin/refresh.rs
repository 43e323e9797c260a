//! `POST /auth/refresh`.

use std::process::ExitCode;

use account::http::refresh;
use account::refresh::from_env;

fn main() -> ExitCode {
    runtime::serve_http(|env| async move { from_env(&env, runtime::aws::dynamodb(&env)?).await }, refresh)
}
