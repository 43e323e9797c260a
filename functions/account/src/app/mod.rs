//! Use cases: what an endpoint or an operator command does, in terms of the domain and the store.

pub mod active_session;
mod admission;
pub mod cached_signing_key;
pub mod change_password;
pub mod end_session;
pub mod error;
pub mod list_sessions;
pub mod reauthenticate;
pub mod refresh_session;
pub mod settings;
pub mod sign_in;
pub mod sign_out;
pub mod sign_up;
pub mod token_issuer;
pub mod update_profile;
pub mod verify_identifier;
