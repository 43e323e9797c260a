//! What the platform says about itself: its health, and how to use it: the API's document and a page to read and try it.
//!
//! It touches no table and holds no permission beyond writing its log.

pub mod files;
pub mod health;
