//! Suspends and reactivates users on an operator's request.

use std::process::ExitCode;

use account::ops::{SetUserStatus, set_user_status};

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move { SetUserStatus::from_env(&env, aws::dynamodb_client(&env)?) },
        set_user_status,
    )
}
