//! Many at once: how much gets through where each has its own accounts, and where all pay the same one.

use std::time::Duration;

use bench::functions::front::{Front, Mode};
use bench::functions::lambda::{Function, Stopwatch};
use bench::functions::programs::Program;
use bench::functions::world::{World, event};
use serde_json::Value;

use crate::cold::median;
use crate::report::number;

/// How long each level is kept up.
const SPAN: Duration = Duration::from_secs(3);

/// Whom everybody pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payees {
    /// Each their own.
    Apart,
    /// All the same.
    One,
    /// All the same, which takes in money in shards.
    Sharded,
}

/// The shards of [`Payees::Sharded`].
pub(crate) const SHARDS: u8 = 8;

impl Payees {
    /// What the report calls them.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Apart => "accounts of their own".to_owned(),
            Self::One => "one payee".to_owned(),
            Self::Sharded => format!("one payee, {SHARDS} shards"),
        }
    }

    /// The most transactions at once that so many payers can have.
    pub(crate) fn most(self, at_once: usize) -> f64 {
        let most = match self {
            Self::Apart => at_once,
            Self::One => 1,
            // Who knows of the shards gives to none but them.
            Self::Sharded => at_once.min(usize::from(SHARDS)),
        };
        number(u64::try_from(most).expect("a count"))
    }
}

/// What got through.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) at_once: usize,
    /// Requests that moved money, per second.
    pub(crate) goodput: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Transactions that DynamoDB refused as in conflict, for each that it did not.
    pub(crate) retries: f64,
    /// Requests that were told to come again.
    pub(crate) gave_up: usize,
}

/// Sends money from so many accounts at once, each from a function of its own, as Lambda runs them. A transaction takes
/// `held`, and holds its items for as long.
pub(crate) async fn level(world: &World, program: &Program, payees: Payees, held: Duration, at_once: usize) -> Level {
    let front = Front::start(&world.engine.url, Mode::Hold(held), None).await;
    let everybody = if payees == Payees::Sharded { world.merchant(SHARDS).await } else { world.user(0).await };
    let mut workers = Vec::new();
    for _ in 0..at_once {
        let payer = world.user(1_000_000_000).await;
        let to = if payees == Payees::Apart { world.user(0).await } else { everybody.clone() };
        let mut function = Function::start(&program.path, &program.environment(&front.url), &[]).await;
        function.first_poll().await;
        workers.push((function, event(&program.name, &payer, &to)));
    }
    let watch = Stopwatch::start();
    let workers: Vec<_> =
        workers.into_iter().map(|(function, event)| tokio::spawn(work(function, event, watch))).collect();
    let (mut taken, mut gave_up) = (Vec::new(), 0);
    for worker in workers {
        for (status, duration) in worker.await.expect("a worker") {
            match status {
                201 => taken.push(duration),
                503 => gave_up += 1,
                other => panic!("a request was answered {other}"),
            }
        }
    }
    let span = watch.elapsed();
    taken.sort_unstable();
    let succeeded = number(u64::try_from(taken.len()).expect("a count"));
    Level {
        at_once,
        goodput: succeeded / span.as_secs_f64(),
        p50: median(taken.iter().copied()),
        p99: taken[taken.len() * 99 / 100],
        retries: number(front.conflicts()) / succeeded,
        gave_up,
    }
}

/// Keeps one function busy.
async fn work(function: Function, event: Value, watch: Stopwatch) -> Vec<(u64, Duration)> {
    let mut answers = Vec::new();
    while watch.elapsed() < SPAN {
        let asked = Stopwatch::start();
        let answer = function.invoke(&event).await.expect("an answer");
        answers.push((answer["statusCode"].as_u64().expect("a status"), asked.elapsed()));
    }
    answers
}
