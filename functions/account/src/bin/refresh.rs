//! `POST /auth/refresh`.

use std::process::ExitCode;

use account::app::refresh_session::from_env;
use account::http::refresh;

fn main() -> ExitCode {
    http_api::serve(|env| async move { from_env(&env, aws::dynamodb_client(&env)?).await }, refresh)
}
