//! The endpoints: one file each, with its tests.

mod caller;
mod change_password;
mod confirm_code;
mod cookie;
mod credentials;
mod describe;
mod end_session;
mod jwks;
mod list_sessions;
mod login;
mod me;
mod problem;
mod refresh;
mod register;
mod reissued;
mod send_code;
#[cfg(test)]
mod session_walk;
mod signed_in;
mod signin;
mod signout;
mod signup;
mod tokens;
mod update_me;
mod validate;
#[cfg(test)]
mod verification_walk;
#[cfg(test)]
mod walk;

pub use change_password::{ChangePassword, change_password};
pub use confirm_code::{ConfirmCode, confirm_code};
pub use describe::describe;
pub use end_session::{EndSession, end_session};
pub use jwks::{Jwks, jwks};
pub use list_sessions::{ListSessions, list_sessions};
pub use login::login;
pub use me::{Me, me};
pub use problem::problem_types;
pub use refresh::refresh;
pub use register::register;
pub use send_code::{SendCodes, send_code};
pub use signin::signin;
pub use signout::{Signout, signout};
pub use signup::signup;
pub use update_me::{UpdateMe, update_me};
pub use validate::{Validate, validate};
