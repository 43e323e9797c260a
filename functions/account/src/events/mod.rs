//! Events that the context publishes. The stream of the account table is the outbox.

mod outbound;

pub use outbound::event_from_record;
