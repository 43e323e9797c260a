//! AWS SDK clients and outbound HTTP.
//!
//! Region, credentials and endpoint are read from the Lambda environment; no credential provider chain probes the network.

mod clients;
mod connector;
mod http_client;
#[cfg(test)]
mod tests;
mod tls;

pub use clients::{ObserveDeadline, dynamodb_client, dynamodb_client_from, for_service, sdk_config};
pub use http_client::{HttpClient, HttpError};
