//! `GET /auth/sessions`.

use std::process::ExitCode;

use account::http::{ListSessions, list_sessions};
use account::store::AccountTable;
use account::verifier;
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let client = runtime::aws::dynamodb(&env)?;
            Ok(ListSessions {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::new(client, env.required("ACCOUNT_TABLE")?, SystemRandom),
                clock: SystemClock,
            })
        },
        list_sessions,
    )
}
