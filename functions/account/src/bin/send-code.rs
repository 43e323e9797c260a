//! `POST /auth/verifications`.

use std::process::ExitCode;

use account::delivery::Delivery;
use account::http::{SendCodes, send_code};
use account::store::AccountTable;
use account::verification::SendVerification;
use account::{settings, verifier};
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let config = runtime::aws::sdk_config(&env)?;
            let client = runtime::aws::dynamodb_of(&config, &env);
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
