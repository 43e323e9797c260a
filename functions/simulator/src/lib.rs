//! Plays the provider of payments, so that the whole loop runs where there is no provider: on one machine, and in
//! staging. Never in production.
//!
//! | module | holds | may touch |
//! |---|---|---|
//! | [`outcome`] | what becomes of a payment, by its customer's phone number, and the webhooks that say so | the contracts |
//! | [`provider`] | one pending payment: late, or signed and told | the ports |
//! | [`queue`], [`secret`], [`webhooks`] | a port each, and AWS or HTTP behind it | the SDK |
//! | `bin/` | configuration and dependencies, nothing else | all of it |
//!
//! It is an outsider: it knows the events that leave the payment context and the public webhook, and nothing else.

pub mod outcome;
pub mod provider;
pub mod queue;
pub mod secret;
pub mod webhooks;
