//! The functions that no client calls.
//!
//! The publisher reads the stream of the account table, which is the outbox, and tells the other contexts what changed:
//! [`to_publish`] says which record is which event.
//! The rotation of keys is called by CloudFormation at a deploy, by a schedule, or by an operator.
//! A person is suspended and reactivated by an operator alone.

mod custom_resource;
mod http_put;
mod outbox;
mod rotate_keys;
mod set_person_status;

pub use custom_resource::{DeliverResponse, DeliveryFailed, Response};
pub use http_put::HttpPut;
pub use outbox::to_publish;
pub use rotate_keys::{Ring, RotateKeys, RotationFailed, rotate_keys};
pub use set_person_status::{SetPersonStatus, Standing, StatusNotSet, set_person_status};
