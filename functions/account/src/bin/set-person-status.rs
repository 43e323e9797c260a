//! A person's status, by an operator's word.

use std::process::ExitCode;

use account::events::{SetPersonStatus, set_person_status};
use account::settings;
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move {
            Ok(SetPersonStatus {
                people: AccountTable::from_env(&env, aws::dynamodb_client(&env)?)?,
                trail: settings::audit_trail(&env)?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        set_person_status,
    )
}
