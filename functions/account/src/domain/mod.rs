//! Types and business rules, without AWS or HTTP.

mod access_token;
mod audit;
mod identifier;
mod key_set;
mod password;
mod password_hash;
mod refresh_token;
mod session;
mod signing_key;
pub mod throttle;
mod user;
pub mod verification_code;

pub use access_token::{AccessTokens, SigningError};
pub use audit::{AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo};
pub use identifier::{Identifier, IdentifierKind};
pub use key_set::{
    Due, InvalidRotationPolicy, KeySet, KeySetChange, KeySetEntry, KeyState, PROPAGATION_DELAY, RETIREMENT_DELAY,
    RotationPolicy, SIGNING_KEY_TTL,
};
pub use password::{InvalidPassword, InvalidPasswordPolicy, Password, PasswordPolicy};
#[cfg(test)]
pub(crate) use password_hash::computed as hash_computations;
pub use password_hash::{HashingError, InvalidPasswordHash, PasswordHash};
#[cfg(test)]
pub(crate) use refresh_token::tests::without_family;
pub use refresh_token::{
    InvalidRefreshToken, RefreshToken, RefreshTokenHash, RefreshTokenRejection, RotationNonce, TokenFamily,
};
pub use session::{
    Lifetimes, REUSE_GRACE_PERIOD, Recognition, Refresh, Revoked, Rotation, Session, UserSession, excess_sessions,
};
pub use signing_key::{InvalidSigningKey, SigningKey};
pub use user::{User, UserStatus};
