//! What makes a function a good Lambda, the same for all of them: configuration read once, AWS clients without a probe
//! of the network, structured telemetry, problems after RFC 9457, the principal of a request, and batches in which one
//! bad record fails alone.
//!
//! The crate knows nothing of either context's domain.

pub mod aws;
pub mod batch;
pub mod config;
pub mod dynamodb;
pub mod http;
pub mod keys;
pub mod outbound;
pub mod random;
pub mod telemetry;

mod connector;
mod start;
mod trust;

pub use config::{ConfigError, Env};
pub use random::SystemRandom;
pub use start::{serve_events, serve_http, serve_invocations};
