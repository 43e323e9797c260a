//! `simulate`: runs the simulation from one seed, from many, or until it is stopped.

#![expect(clippy::print_stdout, reason = "a command prints its results")]
#![expect(clippy::disallowed_methods, reason = "the rate of steps is measured in real time")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use simulation::{Bug, Coverage, Failure, Scenario, run, shrink};

const USAGE: &str = "\
usage: simulate run SEED STEPS [BUG]    one run; BUG is planted
       simulate many FIRST_SEED RUNS STEPS
       simulate soak STEPS [RUNS]       from fresh seeds, until it is stopped
       simulate bugs STEPS              plants each bug, and searches a seed that finds it";

/// The number of seeds that are tried for a bug.
const MAX_SEEDS: u64 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let steps = |text: &str| text.parse::<usize>().ok();
    let outcome = match arguments.as_slice() {
        ["run", seed, length] => number(seed).zip(steps(length)).map(|(seed, steps)| one(seed, steps, None)),
        ["run", seed, length, bug] => match (number(seed), steps(length), Bug::parse(bug)) {
            (Some(seed), Some(steps), Some(bug)) => Some(one(seed, steps, Some(bug))),
            _ => None,
        },
        ["many", first, runs, length] => match (number(first), number(runs), steps(length)) {
            (Some(first), Some(runs), Some(steps)) => Some(many(first, Some(runs), steps)),
            _ => None,
        },
        ["soak", length] => steps(length).map(|steps| many(fresh_seed(), None, steps)),
        ["soak", length, runs] => {
            steps(length).zip(number(runs)).map(|(steps, runs)| many(fresh_seed(), Some(runs), steps))
        }
        ["bugs", length] => steps(length).map(bugs),
        _ => None,
    };
    outcome.unwrap_or_else(|| {
        let names: Vec<String> = Bug::ALL.iter().map(ToString::to_string).collect();
        println!("{USAGE}\nbugs: {}", names.join(" "));
        ExitCode::FAILURE
    })
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() * 1_000_000
}

fn one(seed: u64, steps: usize, bug: Option<Bug>) -> ExitCode {
    let scenario = Scenario { seed, steps, bug };
    let started = Instant::now();
    let report = run(scenario);
    let rate = rate(report.steps, started);
    println!("seed {seed}: {} steps, {rate} steps/s, digest {:016x}", report.steps, report.digest);
    print!("{}", report.coverage);
    match report.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => fail(scenario, failure),
    }
}

/// Runs seeds in one thread per processor, all of them or until the process is stopped.
fn many(first: u64, runs: Option<u64>, steps: usize) -> ExitCode {
    let (started, next, done) = (Instant::now(), AtomicU64::new(first), AtomicU64::new(0));
    let coverage = Mutex::new(Coverage::default());
    let failed: Mutex<Option<(Scenario, Failure)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_failed = failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
                    if is_failed || runs.is_some_and(|runs| seed - first >= runs) {
                        return;
                    }
                    let scenario = Scenario { seed, steps, bug: None };
                    let report = run(scenario);
                    let total = done.fetch_add(report.steps, Ordering::Relaxed) + report.steps;
                    coverage.lock().unwrap_or_else(PoisonError::into_inner).add(&report.coverage);
                    if let Some(failure) = report.failure {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((scenario, failure));
                    } else if (seed - first) % 10 == 9 {
                        println!("seed {seed}: {total} steps, {} steps/s", rate(total, started));
                    }
                }
            });
        }
    });
    let total = done.into_inner();
    print!("{}", coverage.into_inner().unwrap_or_else(PoisonError::into_inner));
    println!("{total} steps, {} steps/s", rate(total, started));
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => ExitCode::SUCCESS,
        Some((scenario, failure)) => fail(scenario, failure),
    }
}

/// Plants each bug in turn. Prints the number of seeds after which it is found, and the invariant that it violates.
fn bugs(steps: usize) -> ExitCode {
    let mut missed = 0;
    for bug in Bug::ALL {
        let found = (1..=MAX_SEEDS).find_map(|seed| {
            let report = run(Scenario { seed, steps, bug: Some(bug) });
            report.failure.map(|failure| (seed, report.steps, failure.violation.check))
        });
        if let Some((seed, steps, check)) = found {
            println!("{bug}: seed {seed}, step {steps}: {check}");
        } else {
            println!("{bug}: not found by {MAX_SEEDS} seeds");
            missed += 1;
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rate(steps: u64, since: Instant) -> u64 {
    steps * 1_000 / u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

fn fail(scenario: Scenario, failure: Failure) -> ExitCode {
    println!("VIOLATION {}\nshortening the trace of {} actions ...", failure.violation, failure.trace.len());
    let Scenario { seed, steps, bug } = scenario;
    let shortest = shrink(scenario, failure);
    for line in &shortest.log {
        println!("  {line}");
    }
    println!("VIOLATION {}", shortest.violation);
    let bug = bug.map(|bug| format!(" BUG={bug}")).unwrap_or_default();
    println!("To repeat it: make simulate SEED={seed} STEPS={steps}{bug}");
    ExitCode::FAILURE
}
