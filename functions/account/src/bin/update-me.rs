//! `PATCH /auth/me`.

use std::process::ExitCode;

use account::app::{reauthenticate, verifier};
use account::http::{UpdateMe, update_me};

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(UpdateMe {
                verifier: verifier::from_env(&env, client.clone()).await?,
                users: reauthenticate::from_env(&env, client)?,
            })
        },
        update_me,
    )
}
