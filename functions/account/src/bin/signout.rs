//! `POST /auth/signout`.

use std::process::ExitCode;

use account::app::token_issuer::TokenIssuer;
use account::app::{settings, verifier};
use account::http::{Signout, signout};
use account::store::AccountTable;
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(Signout {
                verifier: verifier::from_env(&env, client.clone()).await?,
                sessions: AccountTable::from_env(&env, client.clone())?,
                issuer: TokenIssuer::without_key(&env, client)?,
                lifetimes: settings::lifetimes(&env)?,
                audit_log: settings::audit_log(&env)?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        signout,
    )
}
