//! The account table's stream, to the topic.

use std::process::ExitCode;

use account::events::{Publisher, Topic, publish};

fn main() -> ExitCode {
    runtime::serve_events(|env| async move { Ok(Publisher { bus: Topic::from_env(&env)? }) }, publish)
}
