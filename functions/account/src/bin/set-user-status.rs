//! A person's status, by an operator's word.

use std::process::ExitCode;

use account::app::settings;
use account::ops::{SetUserStatus, set_user_status};
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move {
            Ok(SetUserStatus {
                users: AccountTable::from_env(&env, aws::dynamodb_client(&env)?)?,
                audit_log: settings::audit_log(&env)?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        set_user_status,
    )
}
