//! The functions that no client calls.
//!
//! The publisher reads the stream of the account table, which is the outbox, and tells the other contexts what changed:
//! [`to_publish`] says which record is which event.
//! The rotation of keys is called by CloudFormation at a deploy, or by an operator.

mod custom_resource;
mod http_put;
mod outbox;
mod rotate_keys;

pub use custom_resource::{DeliverResponse, DeliveryFailed, Response};
pub use http_put::HttpPut;
pub use outbox::to_publish;
pub use rotate_keys::{Current, RotateKeys, RotationFailed, rotate_keys};
