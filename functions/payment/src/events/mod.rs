//! What this context tells whoever listens.
//!
//! The publisher reads the stream of the payment table, which is the outbox: [`to_publish`] says which record is which
//! event. A payment that is only asked for is nobody's business yet, and a transfer that was refused moved nothing.

mod outbox;

pub use outbox::to_publish;
