//! `DELETE /auth/sessions/{id}`.

use std::process::ExitCode;

use account::http::{EndSession, end_session};
use account::store::AccountTable;
use account::{settings, verifier};
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
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
