//! Publishes the events of the payment table's stream.

use std::process::ExitCode;

use payment::events::outbound::event_from_record;

fn main() -> ExitCode {
    outbox::serve(event_from_record)
}
