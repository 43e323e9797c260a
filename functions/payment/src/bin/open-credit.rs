//! Opens CREDIT and LOAN accounts on an operator's request.

use std::process::ExitCode;

use payment::ops::open_credit::{OpenCredit, open_credit};

fn main() -> ExitCode {
    lambda::serve_invocations(|env| async move { OpenCredit::from_env(&env, aws::dynamodb_client(&env)?) }, open_credit)
}
