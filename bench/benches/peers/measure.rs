//! Measurements of the functions.

use std::time::Duration;

use bench::capacity::Capacity;
use bench::functions::deployment::{Deployment, User};
use bench::functions::lambda::{Stopwatch, processor_time_of_this_process};
use bench::functions::proxy::{DynamoProxy, Mode};
use bench::meter::Meter;

use crate::cold::median;
use crate::functions::{self, Sender};
use crate::metered;
use crate::report::{number, progress};
use crate::tls;

/// The number of starts.
const STARTS: usize = 21;
/// Invocations before a measurement: usually, and for what a runtime compiles when it has run often.
pub(crate) const WARM_UP: usize = 300;
pub(crate) const LONG_WARM_UP: usize = 3_000;
/// Invocations of a measurement.
const INVOCATIONS: usize = 300;
const ROUNDS: usize = 3;
/// The duration of each level of concurrency.
const SPAN: Duration = Duration::from_secs(5);

/// Processor time, and time until the response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) processor: Duration,
    pub(crate) response: Duration,
}

/// Medians, each of its own.
fn medians(taken: &[Taken]) -> Taken {
    Taken {
        processor: median(taken.iter().map(|taken| taken.processor)),
        response: median(taken.iter().map(|taken| taken.response)),
    }
}

/// From exec to the response to the first request, with TLS to DynamoDB, all functions in turn.
pub(crate) async fn cold(deployment: &Deployment, senders: &[Sender]) -> Vec<Taken> {
    let (acceptor, trusted) = tls::acceptor();
    let mode = Mode::SimulateConflicts(Duration::ZERO);
    let proxy = DynamoProxy::start(&deployment.engine.url, mode, Some(acceptor)).await;
    let (ada, ben) = (functions::user(deployment).await, functions::user(deployment).await);
    let mut taken = vec![Vec::new(); senders.len()];
    progress(&format!("starting the functions {STARTS} times"));
    for _ in 0..STARTS {
        for (sender, taken) in senders.iter().zip(&mut taken) {
            let request = functions::request(&ada, &ben);
            let watch = Stopwatch::start();
            let function = sender.start(&proxy.url, Some(&trusted)).await;
            functions::send(&function, &request).await;
            taken.push(Taken { response: watch.elapsed(), processor: function.processor_time_of_threads() });
        }
    }
    std::fs::remove_file(&trusted).expect("the file of authorities");
    taken.iter().map(|taken| medians(taken)).collect()
}

/// One function after its warm-up.
pub(crate) struct Warm {
    pub(crate) taken: Taken,
    /// Peak memory.
    pub(crate) memory_kib: u64,
}

/// Invocations of warm functions, all in turn, by these payers one after the other.
pub(crate) async fn warm(deployment: &Deployment, senders: &[Sender], payers: &[User], warm_up: usize) -> Vec<Warm> {
    let ben = functions::user(deployment).await;
    let mut taken = vec![(Vec::new(), Vec::new()); senders.len()];
    for _ in 0..ROUNDS {
        for (sender, (taken, memory)) in senders.iter().zip(&mut taken) {
            progress(&format!("invoking {} after {warm_up} invocations", sender.name));
            let function = sender.start(&deployment.engine.url, None).await;
            let mut requests = payers.iter().cycle().map(|payer| functions::request(payer, &ben));
            for request in requests.by_ref().take(warm_up) {
                functions::send(&function, &request).await;
            }
            let requests: Vec<_> = requests.take(INVOCATIONS).collect();
            let (before, watch) = (function.processor_time_of_threads(), Stopwatch::start());
            for request in &requests {
                functions::send(&function, request).await;
            }
            let each = u32::try_from(INVOCATIONS).expect("a count");
            taken.push(Taken {
                response: watch.elapsed() / each,
                processor: function.processor_time_of_threads().saturating_sub(before) / each,
            });
            memory.push(function.status_kib("VmHWM"));
        }
    }
    taken.into_iter().map(|(taken, memory)| Warm { taken: medians(&taken), memory_kib: median(memory) }).collect()
}

/// As many users as a warm function is invoked for: each request has a token that it has not seen.
pub(crate) async fn strangers(deployment: &Deployment) -> Vec<User> {
    progress("creating users");
    let mut users = Vec::new();
    for _ in 0..WARM_UP + INVOCATIONS {
        users.push(functions::user(deployment).await);
    }
    users
}

/// Requests to DynamoDB and their units.
pub(crate) struct Spent {
    pub(crate) requests: usize,
    pub(crate) capacity: Capacity,
}

/// What a warm function spends on a transfer, and on its replay.
pub(crate) async fn spent(deployment: &Deployment, sender: &Sender) -> (Spent, Spent) {
    let (ada, ben) = (functions::user(deployment).await, functions::user(deployment).await);
    let meter = Meter::default();
    let url = metered::start(&deployment.engine.url, &meter).await;
    let function = sender.start(&url, None).await;
    functions::send(&function, &functions::request(&ada, &ben)).await;
    let request = functions::request(&ada, &ben);
    let mut both = Vec::new();
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let (body, measured) = meter.measure(functions::send(&function, &request)).await;
        both.push(Spent { requests: measured.calls.len(), capacity: measured.capacity() });
        bodies.push(serde_json::from_str::<serde_json::Value>(&body).expect("JSON"));
    }
    assert_eq!(bodies[0], bodies[1], "{} answered a replay in another way", sender.name);
    let replay = both.remove(1);
    (both.remove(0), replay)
}

/// Concurrent senders, each with a function and a payee of its own.
pub(crate) struct Level {
    pub(crate) per_second: f64,
    /// Processor time of the functions per transfer.
    pub(crate) functions: Duration,
    /// Processor time of this process per transfer: the driver and the emulator of DynamoDB.
    pub(crate) driver: Duration,
    /// Peak memory of all functions.
    pub(crate) memory_kib: u64,
}

pub(crate) async fn concurrent(deployment: &Deployment, sender: &Sender, clients: usize) -> Level {
    progress(&format!("sending {clients} at once"));
    let mut workers = Vec::new();
    for _ in 0..clients {
        let (ada, ben) = (functions::user(deployment).await, functions::user(deployment).await);
        let function = sender.start(&deployment.engine.url, None).await;
        for _ in 0..10 {
            functions::send(&function, &functions::request(&ada, &ben)).await;
        }
        workers.push((function, ada, ben));
    }
    let driver = processor_time_of_this_process();
    let watch = Stopwatch::start();
    let workers: Vec<_> = workers
        .into_iter()
        .map(|(function, ada, ben)| {
            tokio::spawn(async move {
                let before = function.processor_time_of_threads();
                let mut sent = 0;
                while watch.elapsed() < SPAN {
                    functions::send(&function, &functions::request(&ada, &ben)).await;
                    sent += 1;
                }
                let span = watch.elapsed();
                let processor = function.processor_time_of_threads().saturating_sub(before);
                let memory_kib = function.status_kib("VmHWM");
                // Its end must not fall into the next measurement, which counts the processes that have ended.
                function.terminate().await;
                (sent, processor, memory_kib, span)
            })
        })
        .collect();
    let (mut sent, mut processor, mut memory_kib) = (0, Duration::ZERO, 0);
    let mut span = Duration::ZERO;
    for worker in workers {
        let (count, time, memory, last) = worker.await.expect("a worker");
        sent += count;
        processor += time;
        memory_kib += memory;
        span = span.max(last);
    }
    let driver = processor_time_of_this_process().saturating_sub(driver);
    Level {
        per_second: number(u64::from(sent)) / span.as_secs_f64(),
        functions: processor / sent,
        driver: driver / sent,
        memory_kib,
    }
}
