//! `POST /auth/signup`.

use std::process::ExitCode;

use account::http::{Signup, signup};
use account::store::AccountTable;
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let client = runtime::aws::dynamodb(&env)?;
            Ok(Signup {
                people: AccountTable::new(client, env.required("ACCOUNT_TABLE")?, SystemRandom),
                password_policy: env.parsed("PASSWORD_MIN_LENGTH")?,
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        signup,
    )
}
