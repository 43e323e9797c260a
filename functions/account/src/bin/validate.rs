//! `GET /api/auth/validate`.

use std::process::ExitCode;

use account::http::{Validate, validate};
use account::verifier;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move { Ok(Validate { verifier: verifier::from_env(&env, runtime::aws::dynamodb(&env)?).await? }) },
        validate,
    )
}
