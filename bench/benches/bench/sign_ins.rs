//! Concurrent sign-ins, each by a process of its own, as in Lambda.

use std::time::Duration;

use bench::functions::deployment::{User, event};
use bench::functions::lambda::{Function, Stopwatch};
use bench::functions::programs::Program;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::cold::median;

/// The number of users and of processes.
const CONCURRENCY: usize = 16;
/// The number of sign-ins of each user.
const SIGN_INS: usize = 30;

/// What the processes needed, and how long a sign-in took when all signed in at once.
pub(crate) struct ConcurrentSignIns {
    pub(crate) processes: usize,
    pub(crate) taken: Duration,
    /// Of one process.
    pub(crate) largest_peak_kib: u64,
    pub(crate) largest_resident_kib: u64,
}

/// Signs users up and signs all of them in at once, repeatedly.
pub(crate) async fn concurrent(signup: &Program, signin: &Program, url: &str) -> ConcurrentSignIns {
    let registering = Function::start(&signup.path, &signup.environment(url), &[]).await;
    let mut workers = Vec::new();
    for number in 0..CONCURRENCY {
        let response = registering.invoke(&of_user(&signup.name, number)).await.expect("a response");
        assert_eq!(response["statusCode"], 201, "returned {response}");
        let mut function = Function::start(&signin.path, &signin.environment(url), &[]).await;
        function.first_poll().await;
        workers.push((function, of_user(&signin.name, number)));
    }
    let taken = join_all(workers.iter().map(|(function, event)| sign_in(function, event))).await.concat();
    let largest = |line| workers.iter().map(|(function, _)| function.status_kib(line)).max().unwrap_or_default();
    ConcurrentSignIns {
        processes: CONCURRENCY,
        taken: median(taken),
        largest_peak_kib: largest("VmHWM"),
        largest_resident_kib: largest("VmRSS"),
    }
}

fn of_user(binary: &str, number: usize) -> Value {
    let anonymous = User::anonymous();
    let mut event = event(binary, &anonymous, &anonymous);
    let email = format!("user-{number}@example.com");
    event["body"] = json!(json!({"email": email, "password": "correct horse battery"}).to_string());
    event
}

async fn sign_in(function: &Function, event: &Value) -> Vec<Duration> {
    let mut taken = Vec::new();
    for _ in 0..SIGN_INS {
        let watch = Stopwatch::start();
        let response = function.invoke(event).await.expect("a response");
        assert_eq!(response["statusCode"], 200, "returned {response}");
        taken.push(watch.elapsed());
    }
    taken
}
