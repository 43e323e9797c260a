//! `GET /api/auth/validate`.

use std::process::ExitCode;

use account::app::verifier;
use account::http::{Validate, validate};

fn main() -> ExitCode {
    http_api::serve(
        |env| async move { Ok(Validate { verifier: verifier::from_env(&env, aws::dynamodb_client(&env)?).await? }) },
        validate,
    )
}
