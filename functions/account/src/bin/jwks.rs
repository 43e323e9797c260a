//! `GET /.well-known/jwks.json`.

use std::process::ExitCode;

use account::http::{Jwks, jwks};
use kernel::SystemClock;
use runtime::keys::TableKeys;

fn main() -> ExitCode {
    runtime::serve_http(
        |env| async move {
            let keys = TableKeys::new(runtime::aws::dynamodb(&env)?, env.required("ACCOUNT_TABLE")?);
            Ok(Jwks::new(keys, SystemClock))
        },
        jwks,
    )
}
