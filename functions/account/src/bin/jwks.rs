//! `GET /.well-known/jwks.json`.

use std::process::ExitCode;

use account::http::{Jwks, jwks};
use auth::table_keys::TableKeys;
use kernel::SystemClock;

fn main() -> ExitCode {
    http_api::serve(
        |env| async move {
            let keys = TableKeys::new(aws::dynamodb_client(&env)?, env.required("ACCOUNT_TABLE")?);
            Ok(Jwks::new(keys, SystemClock))
        },
        jwks,
    )
}
