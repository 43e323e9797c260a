//! The Lambda runtime loop: reads the configuration, starts logging, builds the function's state, then handles events.

pub mod batch;
pub mod telemetry;

mod start;

pub use start::{serve_events, serve_invocations, start, time_until};
