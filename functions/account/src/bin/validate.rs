//! `GET /api/auth/validate`.

use std::process::ExitCode;

use account::http::{Validate, validate};
use account::verifier;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move { Ok(Validate { verifier: verifier::from_env(&env, aws::dynamodb_client(&env)?).await? }) },
        validate,
    )
}
