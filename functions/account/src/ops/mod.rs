//! Commands without a route: key rotation, invoked by CloudFormation, a schedule or an operator; and the status of users,
//! set by an operator.

mod cfn_response;
mod custom_resource;
mod rotate_keys;
mod set_user_status;

pub use cfn_response::{CfnResponseError, CfnResponseSender};
pub use rotate_keys::{KeySetView, RotateKeys, RotationError, rotate_keys};
pub use set_user_status::{SetStatusError, SetUserStatus, UserStatusView, set_user_status};
