//! The vocabulary that every other crate speaks: ids, money, time and randomness.
//!
//! A value of these types is valid by construction. The crate knows nothing of AWS, of HTTP or of an async runtime,
//! and of neither context's domain.

pub mod ids;
pub mod money;
pub mod random;
pub mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;

pub use ids::{KeyId, SessionId, UserId};
pub use money::{Amount, Balance, Currency, MAX_AMOUNT_MINOR, MoneyError};
pub use random::{Random, SystemRandom};
pub use secret::Secret;
pub use time::{Clock, SystemClock, Timestamp};
