//! Events that leave this context: the account table's stream is the outbox.

mod outbound;

pub use outbound::event_from_record;
