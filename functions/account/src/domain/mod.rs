//! Types and rules. Knows nothing of AWS or HTTP.

mod access_token;
mod identifier;
mod password;
mod password_hash;
mod person;
mod session;
mod signing_key;

pub use access_token::{AccessTokens, SigningFailed};
pub use identifier::{Identifier, IdentifierKind};
pub use password::{InvalidPasswordPolicy, Password, PasswordPolicy, RefusedPassword};
pub use password_hash::{HashingFailed, InvalidPasswordHash, PasswordHash};
pub use person::{Person, PersonStatus};
pub use session::{Revoked, Session, SignedIn};
pub use signing_key::{InvalidSigningKey, SigningKey};
