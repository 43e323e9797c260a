//! What a stranger can send, each with one function that takes arbitrary bytes and panics if the answer is wrong.
//! `fuzz_targets/` runs them under libFuzzer, `tests/replay.rs` with the corpora that are checked in.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a panic is how a target reports a finding"
)]

pub mod event;
pub mod headers;
pub mod messages;
pub mod parsers;
pub mod request;
pub mod stream;
pub mod webhook;

mod platform;
mod response;

/// The name of a target, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, in the order of their names.
pub const TARGETS: [Target; 7] = [
    ("event", event::run),
    ("headers", headers::run),
    ("messages", messages::run),
    ("parsers", parsers::run),
    ("request", request::run),
    ("stream", stream::run),
    ("webhook", webhook::run),
];
