//! The platform under faults: fixed seeds, fresh ones, planted bugs, and that a run is repeated by its seed.

use kernel::{Clock, SystemClock};
use simulation::{Bug, Coverage, Scenario, run, shrink};

const STEPS: usize = 1_000;

/// The faults that the fixed seeds have to meet.
const FAULTS: [&str; 15] = [
    "fault: batch applied in part",
    "fault: cancelled, BatchGetItem",
    "fault: cancelled, Publish",
    "fault: cancelled, TransactWriteItems",
    "fault: cancelled, UpdateItem",
    "fault: consumer killed",
    "fault: delivered twice",
    "fault: executed after the client gave up",
    "fault: function killed",
    "fault: index lag",
    "fault: publisher killed",
    "fault: request lost",
    "fault: response lost",
    "fault: server error after the commit",
    "fault: throttled",
];

fn run_seeds(seeds: impl Iterator<Item = u64>) -> Coverage {
    let mut coverage = Coverage::default();
    for seed in seeds {
        let scenario = Scenario { seed, steps: STEPS, bug: None };
        let report = run(scenario);
        let shortest = report.failure.map(|failure| shrink(scenario, failure));
        let found = shortest.map(|failure| format!("{}\n{}", failure.violation, failure.log.join("\n")));
        assert!(found.is_none(), "seed {seed}: {}", found.unwrap_or_default());
        coverage.add(&report.coverage);
    }
    coverage
}

#[test]
fn fixed_seeds_violate_nothing_and_meet_every_fault() {
    let coverage = run_seeds(1..=8);
    for fault in FAULTS {
        assert!(coverage.times(fault) > 0, "{fault} did not occur:\n{coverage}");
    }
}

#[test]
fn fresh_seeds_violate_nothing() {
    let now = SystemClock.now().unix_millis().cast_unsigned();
    run_seeds((0..4).map(|run| now + run));
}

#[test]
fn same_seed_has_the_same_run() {
    let scenario = Scenario { seed: 7, steps: STEPS, bug: None };
    let first = run(scenario);
    // Another run in between changes nothing.
    run(Scenario { seed: 8, ..scenario });
    let second = run(scenario);
    assert_eq!((first.digest, first.coverage), (second.digest, second.coverage));
}

#[test]
fn planted_bug_violates_its_invariant() {
    for (bug, seed, check) in [
        (Bug::MissingFundsCondition, 1, "available is not negative"),
        (Bug::CreditOutsideTransaction, 1, "balance is the sum of transfers"),
        (Bug::LostTransferDedupe, 1, "transfer changed"),
        (Bug::LostWebhookDedupe, 13, "webhook applied twice"),
        (Bug::SwallowedBatchFailure, 23, "the replica converges"),
        (Bug::UnfencedDebit, 1, "revoked token changed something"),
        (Bug::IgnoredFingerprint, 1, "a key has one payload"),
        (Bug::ShardDrawnTwice, 2, "balance is the sum of transfers"),
        (Bug::UnstoredFailure, 1, "a key has one payload"),
        (Bug::StaleEventApplied, 9, "the replica converges"),
        (Bug::EarlyTime, 1, "a reader misses nothing"),
        (Bug::SkippedStreamRecord, 1, "every event is published"),
        (Bug::RefreshTokenUsedTwice, 2, "a refresh token has one successor"),
    ] {
        let failure = run(Scenario { seed, steps: STEPS + STEPS / 2, bug: Some(bug) }).failure;
        assert_eq!(failure.map(|failure| failure.violation.check), Some(check), "{bug}");
    }
}

#[test]
fn shortened_trace_shows_the_same_violation() {
    let scenario = Scenario { seed: 3, steps: STEPS, bug: Some(Bug::CreditOutsideTransaction) };
    let failure = run(scenario).failure.expect("a violation");
    let (check, length) = (failure.violation.check, failure.trace.len());
    let shortest = shrink(scenario, failure);
    assert_eq!(shortest.violation.check, check);
    assert!(shortest.trace.len() < 30 && shortest.trace.len() < length, "{}", shortest.log.join("\n"));
}
