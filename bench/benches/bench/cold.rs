//! The time from the start of a process to its first poll.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::functions::lambda::{Function, Stopwatch, Variables};
use serde_json::Value;

/// The measurement of a start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Time until the first poll: the median of all rounds.
    pub(crate) first_poll: Duration,
    /// Peak memory until then.
    pub(crate) memory_kib: u64,
}

/// Starts each program in turn, round after round, so that other load affects all of them alike.
pub(crate) async fn starts(programs: &[(PathBuf, Variables)], rounds: usize) -> Vec<Start> {
    let mut taken: BTreeMap<usize, Vec<(Duration, u64)>> = BTreeMap::new();
    for _ in 0..rounds {
        for (index, (program, variables)) in programs.iter().enumerate() {
            let mut function = Function::start(program, variables, &[]).await;
            let first_poll = function.first_poll().await;
            taken.entry(index).or_default().push((first_poll, function.status_kib("VmHWM")));
        }
    }
    taken
        .into_values()
        .map(|taken| Start {
            first_poll: median(taken.iter().map(|(first_poll, _)| *first_poll)),
            memory_kib: median(taken.iter().map(|(_, memory)| *memory)),
        })
        .collect()
}

pub(crate) fn median<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// The time from the start to the response to a waiting event: the median of all rounds.
pub(crate) async fn first_response(program: &Path, variables: &Variables, event: &Value, rounds: usize) -> Duration {
    let mut taken = Vec::new();
    for _ in 0..rounds {
        let watch = Stopwatch::start();
        let function = Function::start(program, variables, &[]).await;
        let response = function.invoke(event).await.expect("a response");
        taken.push(watch.elapsed());
        // The no-op function returns the event.
        let status = response["statusCode"].as_u64().unwrap_or(200);
        assert!(status < 300, "{} returned {response}", program.display());
    }
    median(taken)
}
