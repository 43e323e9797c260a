//! `POST /auth/verifications`.

use std::process::ExitCode;

use account::delivery::Delivery;
use account::http::{SendCodes, send_code};
use account::store::AccountTable;
use account::verification::SendVerification;
use account::{settings, verifier};
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
                    trail: settings::audit_trail(&env)?,
                    random: SystemRandom,
                    clock: SystemClock,
                },
            })
        },
        send_code,
    )
}
