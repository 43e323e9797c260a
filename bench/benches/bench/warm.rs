//! The cost of an invocation of a warm function: the slope between N and 10 N invocations, so that the start does not
//! count.

use std::path::Path;
use std::time::Duration;

use bench::functions::instructions;
use bench::functions::lambda::{Function, Stopwatch, Variables};
use bench::functions::programs::Program;
use serde_json::Value;

use crate::cold::median;

/// N for counting instructions.
const COUNTED: usize = 30;
/// The number of events for counting instructions.
pub(crate) const INVOCATIONS: usize = 10 * COUNTED;
/// N for measuring time.
const TIMED: usize = 30;
/// The number of measurements.
const ROUNDS: usize = 5;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation {
    /// Processor time.
    pub(crate) processor: Duration,
    /// Elapsed time.
    pub(crate) taken: Duration,
}

/// The instructions of one invocation. `events` are [`INVOCATIONS`].
pub(crate) async fn instructions(program: &Program, variables: &Variables, events: &[&Value]) -> Option<u64> {
    let few = instructions::count(&program.path, variables, events[..COUNTED].iter().copied()).await?;
    let many = instructions::count(&program.path, variables, events.iter().copied()).await?;
    Some((many - few) / u64::try_from(events.len() - COUNTED).expect("a count"))
}

/// The median time of one invocation of each function, measured in turn.
pub(crate) async fn times(programs: &[(&Path, Variables, Value)]) -> Vec<Invocation> {
    let mut taken = vec![Vec::new(); programs.len()];
    for _ in 0..ROUNDS {
        for ((program, variables, event), taken) in programs.iter().zip(&mut taken) {
            let function = Function::start(program, variables, &[]).await;
            repeat(&function, event, TIMED).await;
            let (before, watch) = (function.processor_time_of_threads(), Stopwatch::start());
            repeat(&function, event, 9 * TIMED).await;
            let each = u32::try_from(9 * TIMED).expect("a count");
            taken.push((function.processor_time_of_threads().saturating_sub(before) / each, watch.elapsed() / each));
        }
    }
    let medians = taken.into_iter().map(|taken| Invocation {
        processor: median(taken.iter().map(|(processor, _)| *processor)),
        taken: median(taken.iter().map(|(_, taken)| *taken)),
    });
    medians.collect()
}

async fn repeat(function: &Function, event: &Value, times: usize) {
    for _ in 0..times {
        let response = function.invoke(event).await.expect("a response");
        let status = response["statusCode"].as_u64().unwrap_or(200);
        assert!(status < 300, "returned {response}");
    }
}
