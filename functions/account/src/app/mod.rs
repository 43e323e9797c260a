//! Use cases: what an endpoint or an operator command does, in terms of the domain and the store.

pub mod cached_signing_key;
pub mod error;
pub mod reauthenticate;
pub mod refresh_session;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod token_issuer;
pub mod verifier;
pub mod verify_identifier;
