//! `POST /auth/password`.

use std::process::ExitCode;

use account::http::{ChangePassword, change_password};
use account::issue::Issuer;
use account::{reauthenticate, settings, verifier};

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(ChangePassword {
                verifier: verifier::from_env(&env, client.clone()).await?,
                people: reauthenticate::from_env(&env, client.clone())?,
                password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
                issuer: Issuer::without_key(&env, client)?,
                lifetimes: settings::lifetimes(&env)?,
            })
        },
        change_password,
    )
}
