//! What requests cost, and what functions take to start and to run: measured, and held to `bench/budgets.toml`.
//!
//! What comes out the same on every machine is measured by this library, and tests hold it to its budget. What needs a quiet
//! machine is measured by `make bench`, which writes all of it to `bench/RESULTS.md`.
//!
//! | module | holds |
//! |---|---|
//! | [`meter`] | round trips and consumed capacity of a handler |
//! | [`capacity`] | what DynamoDB charges, calculated from the sizes of items |
//! | [`scenarios`] | every endpoint's ways to end |
//! | [`wallets`] | people and accounts to play them with |
//! | [`functions`] | functions as they are deployed: their release builds, started, fed and weighed |
//! | [`prices`] | what AWS asks for it |
//! | [`budgets`] | the limits |

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a measurement that cannot be made fails, and says where"
)]
#![expect(
    clippy::large_futures,
    reason = "a handler is moved into its measurement once, and how long that takes is nobody's time"
)]

pub mod budgets;
pub mod capacity;
pub mod functions;
pub mod meter;
pub mod prices;
pub mod scenarios;
pub mod wallets;
