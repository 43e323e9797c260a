//! `POST /auth/verifications`.

use std::process::ExitCode;

use account::app::verify_identifier::SendVerification;
use account::app::{settings, verifier};
use account::http::{SendCodes, send_code};
use account::notify::Delivery;
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let config = aws::sdk_config(&env)?;
            let client = aws::dynamodb_client_from(&config, &env);
            Ok(SendCodes {
                verifier: verifier::from_env(&env, client.clone()).await?,
                send: SendVerification {
                    codes: AccountTable::from_env(&env, client)?,
                    delivery: Delivery::from_env(&env, &config)?,
                    audit_log: settings::audit_log(&env)?,
                    random: SystemRandom,
                    clock: SystemClock,
                },
            })
        },
        send_code,
    )
}
