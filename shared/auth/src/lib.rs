//! Access tokens: their claims, and verification with public keys.
//! A token is a JWT (RFC 9068) signed with Ed25519 (`EdDSA`, RFC 8037). The algorithm is pinned, so a token cannot choose how
//! it is verified. Tokens are issued by the account context; this crate holds what both contexts must agree on.

mod claims;
mod provider;
#[cfg(feature = "dynamodb")]
pub mod table_keys;
mod verified_tokens;
mod verifier;

pub use claims::{CLIENT_ID, Claims, Principal, TOKEN_TYPE};
pub use provider::install_crypto;
pub use verifier::{LoadKeys, LoadKeysError, MAX_AGE, PublicKey, RELOAD_INTERVAL, Rejection, Verifier};
