//! Freezes or unfreezes an account on an operator's request.

use std::process::ExitCode;

use payment::ops::set_account_status::{SetAccountStatus, set_account_status};

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move { SetAccountStatus::from_env(&env, aws::dynamodb_client(&env)?) },
        set_account_status,
    )
}
