//! The endpoints: one file each, with its tests.

mod cookie;
mod credentials;
mod describe;
mod login;
mod me;
mod problem;
mod register;
mod signin;
mod signout;
mod signup;
mod validate;
#[cfg(test)]
mod walk;

pub use describe::describe;
pub use login::login;
pub use me::{Me, me};
pub use problem::kinds;
pub use register::register;
pub use signin::signin;
pub use signout::{Signout, signout};
pub use signup::signup;
pub use validate::{Validate, validate};
