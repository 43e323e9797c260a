//! `POST /payments/send`.

use std::process::ExitCode;

use payment::app::config::auto_shards;
use payment::http::send::{State, handle};

fn main() -> ExitCode {
    payment::serve(|env, store| State::from_env(env, store.with_auto_shards(auto_shards(env)?)), handle)
}
