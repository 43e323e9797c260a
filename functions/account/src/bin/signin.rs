//! `POST /auth/signin`.

use std::process::ExitCode;
use std::time::Duration;

use account::current_key::CurrentKey;
use account::domain::AccessTokens;
use account::http::{Signin, signin};
use account::store::{AccountTable, SigningKeyTable};
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let client = runtime::aws::dynamodb(&env)?;
            let lifetime = Duration::from_secs(env.parsed("ACCESS_TOKEN_SECONDS")?);
            let signing_keys = SigningKeyTable::new(client.clone(), env.required("SIGNING_KEY_TABLE")?);
            let signing_key = CurrentKey::new(signing_keys);
            signing_key.warm_up().await;
            Ok(Signin {
                people: AccountTable::new(client, env.required("ACCOUNT_TABLE")?, SystemRandom),
                signing_key,
                tokens: AccessTokens::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, lifetime),
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        signin,
    )
}
