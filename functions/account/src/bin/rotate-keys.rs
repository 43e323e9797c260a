//! The keys that sign access tokens, at a deploy.

use std::process::ExitCode;

use account::events::{HttpPut, RotateKeys, rotate_keys};
use account::store::KeyTables;
use kernel::SystemClock;
use runtime::SystemRandom;

fn main() -> ExitCode {
    runtime::serve_events(
        |env| async move {
            let client = runtime::aws::dynamodb(&env)?;
            let (account_table, signing_key_table) =
                (env.required("ACCOUNT_TABLE")?, env.required("SIGNING_KEY_TABLE")?);
            Ok(RotateKeys {
                keys: KeyTables::new(client, account_table, signing_key_table, SystemRandom),
                responses: HttpPut::default(),
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        rotate_keys,
    )
}
