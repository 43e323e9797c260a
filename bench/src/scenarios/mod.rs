//! Every outcome of every endpoint, produced by its real handler on an in-memory DynamoDB and metered.

mod account;
mod docs;
mod lists;
mod payment;

use std::future::Future;

use http_api::{Problem, Response};

use crate::meter::{Measured, Meter};

/// One outcome of a request.
#[derive(Debug, Clone)]
pub struct Row {
    /// The method and the path as in the OpenAPI document.
    pub endpoint: &'static str,
    pub outcome: &'static str,
    pub measured: Measured,
}

/// Runs all scenarios.
pub async fn run() -> Vec<Row> {
    let mut rows = Box::pin(account::run()).await;
    rows.extend(Box::pin(payment::run()).await);
    rows.extend(docs::run().await);
    rows
}

/// Collects measurements.
struct Recorder {
    meter: Meter,
    rows: Vec<Row>,
}

impl Recorder {
    fn new(meter: Meter) -> Self {
        Self { meter, rows: Vec::new() }
    }

    /// Runs a handler under the meter and records the measurement. Panics if the outcome is not the expected one.
    async fn add<B>(
        &mut self,
        endpoint: &'static str,
        outcome: &'static str,
        expected: Expected,
        handler: impl Future<Output = Result<Response<B>, Problem>>,
    ) -> Option<Response<B>> {
        let (ended, measured) = self.meter.measure(Box::pin(handler)).await;
        let actual = match &ended {
            Ok(response) => (response.status.as_u16(), None),
            Err(problem) => (problem.problem_type.status, Some(problem.problem_type.code)),
        };
        assert_eq!(actual, (expected.0, expected.1), "{endpoint}, {outcome}");
        self.rows.push(Row { endpoint, outcome, measured });
        ended.ok()
    }
}

/// A status and a problem code.
struct Expected(u16, Option<&'static str>);

const fn returns(status: u16) -> Expected {
    Expected(status, None)
}

const fn fails_with(status: u16, code: &'static str) -> Expected {
    Expected(status, Some(code))
}
