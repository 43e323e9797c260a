//! `POST /auth/verifications/confirm`.

use std::process::ExitCode;

use account::http::{ConfirmCode, confirm_code};
use account::store::AccountTable;
use account::verification::ConfirmVerification;
use account::{settings, verifier};
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(ConfirmCode {
                verifier: verifier::from_env(&env, client.clone()).await?,
                confirm: ConfirmVerification {
                    people: AccountTable::from_env(&env, client)?,
                    trail: settings::audit_trail(&env)?,
                    random: SystemRandom,
                    clock: SystemClock,
                },
            })
        },
        confirm_code,
    )
}
