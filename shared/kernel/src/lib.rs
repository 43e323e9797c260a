//! The types that every other crate shares: ids, money, time and randomness.
//! Values are valid by construction. The crate depends on neither AWS, HTTP nor an async runtime.

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
