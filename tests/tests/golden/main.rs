//! Golden tests: see `tests/src/lib.rs`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test and names the line"
)]

mod compare;
mod idempotency;
mod openapi;
mod platform;
mod storage;
