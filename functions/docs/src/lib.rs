//! The health check, the OpenAPI document and the page to read and try it.
//! These functions use no table and have no permission beyond logging.

pub mod files;
pub mod health;
