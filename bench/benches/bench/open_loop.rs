//! Payments to one payee that arrive at random, whether earlier ones have been answered or not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bench::arrivals::{arrivals, percentile};
use bench::functions::deployment::{Deployment, User, event};
use bench::functions::lambda::{Function, Stopwatch};
use bench::functions::programs::Program;
use bench::functions::proxy::{DynamoProxy, Mode};
use kernel::testing::SeededRandom;
use tokio::task::JoinSet;

use crate::contention::{Payees, SHARDS};
use crate::report::number;

/// The time before the measurement of a level, in which functions learn whether the payee has shards.
const WARM_UP: Duration = Duration::from_secs(2);
/// The duration of the measurement of a level.
const SPAN: Duration = Duration::from_secs(15);
/// The number of functions. Lambda would start another one for a payment that finds none free; here it is counted.
const FUNCTIONS: usize = 96;

/// The result of one load.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    /// Rejected transactions per successful one.
    pub(crate) conflicts: f64,
    /// Requests that failed with 503.
    pub(crate) gave_up: usize,
    /// Requests that found no free function and were not sent.
    pub(crate) without_function: usize,
}

/// Functions, each with a payer of its own.
pub(crate) struct Pool<'a> {
    deployment: &'a Deployment,
    program: &'a Program,
    proxy: DynamoProxy,
    transaction: Duration,
    payers: Vec<Arc<(Function, User)>>,
}

impl<'a> Pool<'a> {
    /// Starts the functions. A transaction takes `transaction` and locks its items for as long. `auto_shards` are given to a
    /// payee on which payments keep conflicting.
    pub(crate) async fn start(
        deployment: &'a Deployment,
        program: &'a Program,
        transaction: Duration,
        auto_shards: u8,
    ) -> Self {
        let proxy = DynamoProxy::start(&deployment.engine.url, Mode::SimulateConflicts(transaction), None).await;
        let mut payers = Vec::new();
        for _ in 0..FUNCTIONS {
            let payer = deployment.user(1_000_000_000).await;
            let mut variables = program.environment(&proxy.url);
            variables.insert("AUTO_SHARDS".to_owned(), auto_shards.to_string());
            let mut function = Function::start(&program.path, &variables, &[]).await;
            function.first_poll().await;
            payers.push(Arc::new((function, payer)));
        }
        Self { deployment, program, proxy, transaction, payers }
    }

    /// Sends payments to a new payee, which are to use this share of what its items can receive.
    pub(crate) async fn level(&self, payees: Payees, busy: f64) -> Level {
        let (payee, items) = match payees {
            Payees::Sharded => (self.deployment.merchant(SHARDS).await, f64::from(SHARDS)),
            Payees::Apart | Payees::One => (self.deployment.user(0).await, 1.0),
        };
        let random = SeededRandom::new(1);
        let mean = self.transaction.div_f64(busy * items);
        // The function that became free last is used first.
        let free = Arc::new(Mutex::new(self.payers.clone()));
        let (mut sent, mut without_function, mut conflicts_before) = (JoinSet::new(), 0, 0);
        let watch = Stopwatch::start();
        for at in arrivals(&random, mean).take_while(|at| *at < WARM_UP + SPAN) {
            tokio::time::sleep(at.saturating_sub(watch.elapsed())).await;
            let is_measured = at >= WARM_UP;
            if !is_measured {
                conflicts_before = self.proxy.conflicts();
            }
            let Some(sender) = free.lock().unwrap_or_else(PoisonError::into_inner).pop() else {
                without_function += usize::from(is_measured);
                continue;
            };
            let event = event(&self.program.name, &sender.1, &payee);
            let free = free.clone();
            sent.spawn(async move {
                let response = sender.0.invoke(&event).await.expect("a response");
                let taken = watch.elapsed().saturating_sub(at);
                free.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
                is_measured.then(|| (response["statusCode"].as_u64().expect("a status"), taken))
            });
        }
        let (mut taken, mut gave_up) = (Vec::new(), 0);
        for (status, duration) in sent.join_all().await.into_iter().flatten() {
            match status {
                201 => taken.push(duration),
                503 => gave_up += 1,
                other => panic!("a request returned {other}"),
            }
        }
        assert!(!taken.is_empty(), "every request failed with 503");
        taken.sort_unstable();
        let [p50, p90, p99] = [50, 90, 99].map(|per_cent| percentile(&taken, per_cent));
        let succeeded = number(u64::try_from(taken.len()).expect("a count"));
        let conflicts = number(self.proxy.conflicts() - conflicts_before) / succeeded;
        Level { per_second: 1.0 / mean.as_secs_f64(), p50, p90, p99, conflicts, gave_up, without_function }
    }
}
