//! Measurements of requests and functions, and their budgets in `bench/budgets.toml`.
//!
//! Measurements that are the same on every machine are taken by this library, and tests compare them with their budgets.
//! `make bench` also takes those that need a quiet machine, and writes `bench/RESULTS.md`.
//!
//! | module | contents |
//! |---|---|
//! | [`meter`] | round trips and consumed capacity of a handler |
//! | [`capacity`] | DynamoDB's capacity units, calculated from the sizes of items |
//! | [`requests`] | requests as API Gateway sends them |
//! | [`fixtures`] | users and accounts |
//! | [`scenarios`] | every outcome of every endpoint |
//! | [`functions`] | release builds of functions: their size, start and invocations |
//! | [`arrivals`] | requests that arrive at random |
//! | [`simulation`] | payments to one account under different policies of retries |
//! | [`prices`] | AWS list prices |
//! | [`budgets`] | the limits |

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a failed measurement panics and names the line"
)]
#![expect(clippy::large_futures, reason = "a handler is moved into its measurement once, before time is taken")]

pub mod arrivals;
pub mod budgets;
pub mod capacity;
pub mod fixtures;
pub mod functions;
pub mod meter;
pub mod prices;
pub mod requests;
pub mod scenarios;
pub mod simulation;
