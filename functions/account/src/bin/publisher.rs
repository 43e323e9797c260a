//! Publishes the account table's stream to the topic.

use std::process::ExitCode;

use account::events::event_from_record;

fn main() -> ExitCode {
    outbox::serve(event_from_record)
}
