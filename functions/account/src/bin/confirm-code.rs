//! `POST /auth/verifications/confirm`.

use std::process::ExitCode;

use account::app::verify_identifier::ConfirmVerification;
use account::app::{settings, verifier};
use account::http::{ConfirmCode, confirm_code};
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(ConfirmCode {
                verifier: verifier::from_env(&env, client.clone()).await?,
                confirm: ConfirmVerification {
                    users: AccountTable::from_env(&env, client)?,
                    audit_log: settings::audit_log(&env)?,
                    random: SystemRandom,
                    clock: SystemClock,
                },
            })
        },
        confirm_code,
    )
}
