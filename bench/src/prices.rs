//! AWS list prices in us-east-1, in US dollars, without free tiers.
//!
//! AWS's price pages insert their numbers by script and could not be read when these were recorded,
//! on 22 November 2026: where no page of AWS is linked, a number is quoted by others.

use std::time::Duration;

use crate::capacity::Capacity;

/// The footnote of the table.
pub const NOTE: &str = "Cost: list prices of us-east-1, recorded on 22 November 2026: DynamoDB on demand 0.625 USD per million write units and \
     0.125 per million read units, HTTP API 1.00 per million, Lambda 0.20 per million invocations (sources in \
     bench/src/prices.rs). Lambda duration is not included: 0.033 USD per million for every 10 ms at 256 MB on arm64. \
     Streams, events and storage are not included either.";

/// A million write units, since the change of November 2024
/// (<https://airbyte.com/data-engineering-resources/dynamodb-pricing>).
const WRITE: f64 = 0.625;
/// A million read units (likewise).
const READ: f64 = 0.125;
/// A million requests to an HTTP API
/// (<https://docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html>).
const HTTP_API: f64 = 1.0;
/// A million invocations (<https://cloudchipr.com/blog/aws-lambda-pricing>).
const LAMBDA: f64 = 0.2;

/// A GB-second of Lambda on arm64 (likewise).
const GB_SECOND: f64 = 0.000_013_333_4;
/// The memory that comes with one processor, in GB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
const PROCESSOR_GB: f64 = 1769.0 / 1024.0;

/// The price of a million invocations that use one processor for this long.
pub fn processor_per_million(each: Duration) -> f64 {
    each.as_secs_f64() * 1e6 * PROCESSOR_GB * GB_SECOND
}

/// The price of a million requests with these units.
pub fn per_million(each: Capacity) -> f64 {
    each.write * WRITE + each.read * READ + HTTP_API + LAMBDA
}
