//! Throughput of concurrent senders with separate payees, and with one payee.

use std::time::Duration;

use bench::functions::deployment::{Deployment, event};
use bench::functions::lambda::{Function, Stopwatch, processor_time_of_this_process};
use bench::functions::programs::Program;
use bench::functions::proxy::{DynamoProxy, Mode};
use serde_json::Value;

use crate::cold::median;
use crate::report::number;

/// The duration of each level.
const SPAN: Duration = Duration::from_secs(3);

/// The accounts that receive the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payees {
    /// A separate account per payer.
    Apart,
    /// One account.
    One,
    /// One account with write shards.
    Sharded,
}

/// The number of shards of [`Payees::Sharded`].
pub(crate) const SHARDS: u8 = 8;

impl Payees {
    /// The name in the report.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Apart => "separate payees".to_owned(),
            Self::One => "one payee".to_owned(),
            Self::Sharded => format!("one payee, {SHARDS} shards"),
        }
    }

    /// The maximum number of concurrent transactions of this many payers.
    pub(crate) fn most(self, concurrency: usize) -> f64 {
        let most = match self {
            Self::Apart => concurrency,
            Self::One => 1,
            // Payers who know the shards only credit these.
            Self::Sharded => concurrency.min(usize::from(SHARDS)),
        };
        number(u64::try_from(most).expect("a count"))
    }
}

/// The result of one level of concurrency.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) concurrency: usize,
    /// Successful requests.
    pub(crate) payments: f64,
    /// Successful requests per second.
    pub(crate) goodput: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Rejected transactions per successful one.
    pub(crate) retries: f64,
    /// Requests that failed with 503.
    pub(crate) gave_up: usize,
    /// The processor time of the functions.
    pub(crate) functions: Duration,
    /// The processor time of this process: the driver, the proxy and DynamoDB's engine.
    pub(crate) driver_and_engine: Duration,
}

/// Sends money from this many accounts concurrently, each with a function of its own, as in Lambda. A transaction takes
/// `held` and locks its items for as long.
pub(crate) async fn level(
    deployment: &Deployment,
    program: &Program,
    payees: Payees,
    held: Duration,
    concurrency: usize,
) -> Level {
    let proxy = DynamoProxy::start(&deployment.engine.url, Mode::SimulateConflicts(held), None).await;
    let shared_payee =
        if payees == Payees::Sharded { deployment.merchant(SHARDS).await } else { deployment.user(0).await };
    let mut workers = Vec::new();
    for _ in 0..concurrency {
        let payer = deployment.user(1_000_000_000).await;
        let to = if payees == Payees::Apart { deployment.user(0).await } else { shared_payee.clone() };
        let mut variables = program.environment(&proxy.url);
        variables.insert("AUTO_SHARDS".to_owned(), "0".to_owned());
        let mut function = Function::start(&program.path, &variables, &[]).await;
        function.first_poll().await;
        workers.push((function, event(&program.name, &payer, &to)));
    }
    let (watch, before) = (Stopwatch::start(), processor_time_of_this_process());
    let workers: Vec<_> =
        workers.into_iter().map(|(function, event)| tokio::spawn(work(function, event, watch))).collect();
    let (mut taken, mut gave_up, mut functions) = (Vec::new(), 0, Duration::ZERO);
    for worker in workers {
        let (responses, processor_time) = worker.await.expect("a worker");
        functions += processor_time;
        for (status, duration) in responses {
            match status {
                201 => taken.push(duration),
                503 => gave_up += 1,
                other => panic!("a request returned {other}"),
            }
        }
    }
    let span = watch.elapsed();
    let driver_and_engine = processor_time_of_this_process().saturating_sub(before);
    assert!(!taken.is_empty(), "every request failed with 503");
    taken.sort_unstable();
    let succeeded = number(u64::try_from(taken.len()).expect("a count"));
    Level {
        concurrency,
        payments: succeeded,
        goodput: succeeded / span.as_secs_f64(),
        p50: median(taken.iter().copied()),
        p99: taken[taken.len() * 99 / 100],
        retries: number(proxy.conflicts()) / succeeded,
        gave_up,
        functions,
        driver_and_engine,
    }
}

/// Invokes one function repeatedly. Returns the responses, and its processor time.
async fn work(function: Function, event: Value, watch: Stopwatch) -> (Vec<(u64, Duration)>, Duration) {
    let before = function.processor_time();
    let mut responses = Vec::new();
    while watch.elapsed() < SPAN {
        let watch = Stopwatch::start();
        let response = function.invoke(&event).await.expect("a response");
        responses.push((response["statusCode"].as_u64().expect("a status"), watch.elapsed()));
    }
    let processor_time = function.processor_time().saturating_sub(before);
    (responses, processor_time)
}
