//! `POST /auth/signout`.

use std::process::ExitCode;

use account::http::{Signout, signout};
use account::issue::Issuer;
use account::store::AccountTable;
use account::{settings, verifier};
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let client = runtime::aws::dynamodb(&env)?;
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
