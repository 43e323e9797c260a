//! Contact data: e-mail addresses and phone numbers.
//! Values are valid by construction and normalized to the one spelling that is stored, compared and sent. `Debug` is
//! redacted.

mod email;
mod numbering_plan;
mod phone;

pub use email::{Email, InvalidEmail};
pub use phone::{InvalidPhone, Phone};
