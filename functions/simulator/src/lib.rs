//! Simulates the payment provider, so that payments can be completed without one: on a development machine and in staging.
//! Never deployed to production.
//!
//! | module | contents | depends on |
//! |---|---|---|
//! | [`outcome`] | the outcome of a payment, by its customer's phone number, and the webhooks that report it | the event contracts |
//! | [`provider`] | processing of a pending payment: delayed, or reported by signed webhooks | the traits of the other modules |
//! | [`queue`], [`secret`], [`webhooks`] | one trait each, implemented with AWS or HTTP | the SDK |
//! | `bin/` | configuration | all of the above |
//!
//! It knows the payment context only by its published events and its public webhook endpoint.

pub mod outcome;
pub mod provider;
pub mod queue;
pub mod secret;
pub mod webhooks;
