//! Types and rules. Knows nothing of AWS or HTTP.

mod access_token;
mod audit;
mod identifier;
mod key_ring;
mod password;
mod password_hash;
mod person;
mod refresh_token;
mod session;
mod signing_key;
pub mod throttle;
pub mod verification;

pub use access_token::{AccessTokens, SigningFailed};
pub use audit::{AuditKind, AuditRecord, AuditSubject, AuditTrail, Caller};
pub use identifier::{Identifier, IdentifierKind};
pub use key_ring::{
    Due, InvalidRotationPolicy, KeyRing, KeyState, PUBLISHED_BEFORE, RETIRES_AFTER, RingKey, RotationPolicy,
    SIGNER_HOLDS_KEY, Turn,
};
pub use password::{InvalidPasswordPolicy, Password, PasswordPolicy, RefusedPassword};
#[cfg(test)]
pub(crate) use password_hash::computed as hash_computations;
pub use password_hash::{HashingFailed, InvalidPasswordHash, PasswordHash};
pub use person::{Person, PersonStatus};
pub use refresh_token::{NotARefreshToken, RefreshToken, RefreshTokenHash, RotationNonce};
pub use session::{GRACE, Lifetimes, Refresh, Revoked, Rotation, Session, SignedIn};
pub use signing_key::{InvalidSigningKey, SigningKey};
