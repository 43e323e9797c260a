//! `POST /auth/signout`.

use std::process::ExitCode;

use account::http::{Signout, signout};
use account::issue::Issuer;
use account::store::AccountTable;
use account::{settings, verifier};
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(Signout {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::from_env(&env, client.clone())?,
                issuer: Issuer::without_key(&env, client)?,
                lifetimes: settings::lifetimes(&env)?,
                trail: settings::audit_trail(&env)?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        signout,
    )
}
