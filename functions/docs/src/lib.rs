//! What the platform says about itself: its health, and (from the API document on) how to use it.
//!
//! It touches no table and holds no permission beyond writing its log.

pub mod health;
