//! Sets the number of write shards of an account on an operator's request.

use std::process::ExitCode;

use payment::ops::set_write_shards::{SetShards, set_write_shards};

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move { SetShards::from_env(&env, aws::dynamodb_client(&env)?) },
        set_write_shards,
    )
}
