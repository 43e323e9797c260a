//! `DELETE /auth/sessions/{id}`.

use std::process::ExitCode;

use account::http::{EndSession, end_session};
use account::store::AccountTable;
use account::{settings, verifier};
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let client = runtime::aws::dynamodb(&env)?;
            Ok(EndSession {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::from_env(&env, client)?,
                trail: settings::audit_trail(&env)?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        end_session,
    )
}
