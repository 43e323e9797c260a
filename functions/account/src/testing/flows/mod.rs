//! Several endpoints together.

mod credentials;
mod sessions;
mod verification;
