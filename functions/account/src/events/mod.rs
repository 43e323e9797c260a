//! The functions that no client calls.
//!
//! The publisher reads the stream of the account table, which is the outbox, and tells the other contexts what changed.
//! The rotation of keys is called by CloudFormation at a deploy, or by an operator.

mod custom_resource;
mod http_put;
mod outbox;
mod publisher;
mod rotate_keys;
#[cfg(test)]
mod testing;
mod topic;

pub use custom_resource::{DeliverResponse, DeliveryFailed, Response};
pub use http_put::HttpPut;
pub use outbox::{UnreadableRecord, to_publish};
pub use publisher::{NotPublished, PublishEvents, Publisher, publish};
pub use rotate_keys::{Current, RotateKeys, RotationFailed, rotate_keys};
pub use topic::Topic;
