//! Access tokens: what they say, and how they are verified with public keys alone.
//!
//! A token is a JWT after RFC 9068, signed with Ed25519 (`EdDSA`, RFC 8037). The algorithm is pinned, so a token cannot
//! choose how it is checked. Issuing tokens is the account context's business; this crate holds what both sides must
//! agree on. It knows nothing of HTTP, of DynamoDB or of where public keys are stored.

mod claims;
mod provider;
#[cfg(feature = "dynamodb")]
pub mod table_keys;
mod verifier;

pub use claims::{Claims, Principal, TOKEN_TYPE};
pub use provider::install_crypto;
pub use verifier::{LoadKeys, LoadKeysError, MAX_AGE, PublicKey, RELOAD_INTERVAL, Rejection, Verifier};
