//! Golden tests: see `tests/src/lib.rs`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test that cannot be set up fails, and says where"
)]

mod compare;
mod idempotency;
mod openapi;
mod platform;
mod storage;
