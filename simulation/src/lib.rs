//! A deterministic simulation of the whole platform.
//!
//! The handlers, stores, publishers, the sync and the scheduled functions of both contexts run in one thread, over
//! DynamoDB's engine in memory. Time, randomness, the network, streams, topics and queues are simulated: every request of a
//! function waits until the [`world`] decides what becomes of it. All decisions follow from a seed, so a run is repeated
//! exactly by its seed.
//!
//! | module | contents |
//! |---|---|
//! | [`run`] | runs a scenario, replays a trace, shortens the trace of a failure |
//! | [`world`] | performs one action after the other; [`choice`] draws them |
//! | [`action`], [`command`] | what can happen: commands of clients and operators, decisions, time |
//! | [`invocation`], [`platform`] | calls the functions, each instance with its own caches and clock |
//! | [`network`], [`faults`] | requests that wait, and what becomes of them |
//! | [`tables`], [`bus`] | the services: tables whose changes are observed, streams, topics, a queue |
//! | [`checks`] | the invariants |
//! | [`bugs`] | known bugs that are planted to see whether the checks find them |

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic ends the simulation and names the line")]

mod action;
mod bugs;
mod bus;
mod checks;
mod choice;
mod clock;
mod command;
mod coverage;
mod executor;
mod faults;
mod invocation;
mod network;
mod people;
mod platform;
mod random;
mod run;
mod tables;
mod world;

pub use action::Action;
pub use bugs::Bug;
pub use checks::Violation;
pub use coverage::Coverage;
pub use run::{Failure, Report, Scenario, replay, run, shrink};
