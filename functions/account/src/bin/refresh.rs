//! `POST /auth/refresh`.

use std::process::ExitCode;

use account::http::refresh;
use account::refresh::from_env;

fn main() -> ExitCode {
    http_api::serve(|env| async move { from_env(&env, aws::dynamodb_client(&env)?).await }, refresh)
}
