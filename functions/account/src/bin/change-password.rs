//! `POST /auth/password`.

use std::process::ExitCode;

use account::app::token_issuer::TokenIssuer;
use account::app::{reauthenticate, settings, verifier};
use account::http::{ChangePassword, change_password};

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            Ok(ChangePassword {
                verifier: verifier::from_env(&env, client.clone()).await?,
                users: reauthenticate::from_env(&env, client.clone())?,
                password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
                issuer: TokenIssuer::without_key(&env, client)?,
                lifetimes: settings::lifetimes(&env)?,
            })
        },
        change_password,
    )
}
