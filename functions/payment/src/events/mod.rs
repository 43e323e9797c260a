//! Events: those of the account context that this context consumes, and those that it publishes.

pub mod inbound;
pub mod outbound;
