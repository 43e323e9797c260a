//! `GET /auth/me`.

use std::process::ExitCode;

use account::app::verifier;
use account::http::{Me, me};
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(Me {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::new(client, env.required("ACCOUNT_TABLE")?, SystemRandom),
                clock: SystemClock,
            })
        },
        me,
    )
}
