//! `DELETE /auth/sessions/{id}`.

use std::process::ExitCode;

use account::app::{settings, verifier};
use account::http::{EndSession, end_session};
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(EndSession {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::from_env(&env, client)?,
                audit_log: settings::audit_log(&env)?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        end_session,
    )
}
