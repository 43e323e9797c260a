//! `GET /auth/sessions`.

use std::process::ExitCode;

use account::app::verifier;
use account::http::{ListSessions, list_sessions};
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(ListSessions {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::new(client, env.required("ACCOUNT_TABLE")?, SystemRandom),
                clock: SystemClock,
            })
        },
        list_sessions,
    )
}
