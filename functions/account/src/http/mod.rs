//! The endpoints: one file each, with its tests.

mod cookie;
mod me;
mod problem;
mod signin;
mod signout;
mod signup;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod walk;

pub use me::{Me, me};
pub use problem::kinds;
pub use signin::{Signin, signin};
pub use signout::{Signout, signout};
pub use signup::{Signup, signup};
