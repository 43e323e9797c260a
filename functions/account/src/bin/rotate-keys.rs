//! The keys that sign access tokens: at a deploy, daily, and when an operator asks.

use std::process::ExitCode;

use account::app::settings;
use account::ops::{CfnResponseSender, RotateKeys, rotate_keys};
use account::store::{AuditTable, KeyTables};
use kernel::SystemClock;
use kernel::SystemRandom;

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move {
            let client = aws::dynamodb_client(&env)?;
            let audit = AuditTable::from_env(&env, client.clone())?;
            let (account_table, signing_key_table) =
                (env.required("ACCOUNT_TABLE")?, env.required("SIGNING_KEY_TABLE")?);
            Ok(RotateKeys {
                keys: KeyTables::new(client, account_table, signing_key_table, audit, SystemRandom),
                policy: env.parsed("SIGNING_KEY_DAYS")?,
                audit_log: settings::audit_log(&env)?,
                responses: CfnResponseSender::default(),
                random: SystemRandom,
                clock: SystemClock,
            })
        },
        rotate_keys,
    )
}
