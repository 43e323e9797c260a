//! Both contexts in one process ([`functions`]), and tests that span them. `tests/golden` compares everything that is stored or sent with checked-in files:
//! idempotency ids and fingerprints, items of every kind, problem codes, event envelopes, and the wire part of the
//! OpenAPI document.
//!
//! A golden file changes only when the wire format or the storage format is changed on purpose, in a commit that says
//! so: existing clients, keys and items depend on it. `UPDATE_GOLDEN=1 cargo test -p platform-tests` rewrites the files.

pub mod functions;
