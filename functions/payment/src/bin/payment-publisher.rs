//! The payment table's stream, to the topic.

use std::process::ExitCode;

use payment::events::to_publish;

fn main() -> ExitCode {
    outbox::serve(to_publish)
}
