//! What AWS asks for: list prices in us-east-1, in US dollars per million, without any free tier.

use std::time::Duration;

use crate::capacity::Capacity;

/// Where the prices are from, for whoever reads the table.
pub const NOTE: &str = "Cost: list prices of us-east-1 as published since DynamoDB's change of 1 November 2024 (DynamoDB \
     on demand 0.625 USD per million write units and 0.125 per million read units; HTTP API 1.00 per million; Lambda 0.20 \
     per million invocations). Lambda's time comes on top: 0.033 USD per million for every 10 ms at 256 MB on arm64. \
     Streams, events and storage are not in it.";

const WRITE: f64 = 0.625;
const READ: f64 = 0.125;
const HTTP_API: f64 = 1.0;
const LAMBDA: f64 = 0.2;

/// A GB-second of Lambda on arm64.
const GB_SECOND: f64 = 0.000_013_333_4;
/// The memory that comes with one whole processor, in GB.
const PROCESSOR_GB: f64 = 1769.0 / 1024.0;

/// A million invocations that have one whole processor for this long.
pub fn processor_per_million(each: Duration) -> f64 {
    each.as_secs_f64() * 1e6 * PROCESSOR_GB * GB_SECOND
}

/// A million requests that spend this each.
pub fn per_million(each: Capacity) -> f64 {
    each.write * WRITE + each.read * READ + HTTP_API + LAMBDA
}
