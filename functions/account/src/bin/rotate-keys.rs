//! Rotates the signing keys: at deployment, daily, and on an operator's request.

use std::process::ExitCode;

use account::ops::{RotateKeys, rotate_keys};

fn main() -> ExitCode {
    lambda::serve_invocations(|env| async move { RotateKeys::from_env(&env, aws::dynamodb_client(&env)?) }, rotate_keys)
}
