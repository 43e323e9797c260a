//! Where a person is reached: e-mail addresses and phone numbers.
//!
//! A value of these types is valid by construction, in the one spelling that it is stored, compared and sent in. None of
//! them prints itself. The crate knows nothing of AWS or of HTTP, and of neither context's domain.

mod email;
mod numbering_plan;
mod phone;

pub use email::{Email, InvalidEmail};
pub use phone::{InvalidPhone, Phone};
