//! A simulation of payments to one account without shards, to compare policies of retries.
//!
//! Payments arrive at random. The account takes part in one transaction at a time. A payment that finds it in use is refused,
//! pauses, and attempts again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use dynamo::Backoff;
use kernel::Random;

use crate::arrivals::{arrivals, percentile};

/// The time until a payment learns of a conflict.
const REFUSAL: Duration = Duration::from_millis(2);
/// The time after which a payment gives up.
const RETRY_BUDGET: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
pub enum Policy {
    /// Attempts with pauses.
    Retry(Backoff),
    /// In the order of arrival, without conflicts. DynamoDB has no such queue; it is the least possible.
    Queue,
}

/// Arrivals of payments.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The duration of a transaction.
    pub transaction: Duration,
    /// The share of the time in which the account is in use.
    pub busy: f64,
    pub payments: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub p50: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub conflicts: usize,
    pub gave_up: usize,
}

struct Payment {
    arrived: Duration,
    pauses: Backoff,
}

/// Runs all payments of a load.
pub fn run(policy: Policy, load: Load, random: &impl Random) -> Outcome {
    let mean = load.transaction.div_f64(load.busy);
    let arrived: Vec<Duration> = arrivals(random, mean).take(load.payments).collect();
    let (mut taken, conflicts) = match policy {
        Policy::Queue => (queue(&arrived, load.transaction), 0),
        Policy::Retry(pauses) => retry(arrived, pauses, load.transaction, random),
    };
    taken.sort_unstable();
    let [p50, p90, p99] = [50, 90, 99].map(|per_cent| percentile(&taken, per_cent));
    Outcome { p50, p90, p99, conflicts, gave_up: load.payments - taken.len() }
}

/// The time that each payment takes, one after the other.
fn queue(arrived: &[Duration], transaction: Duration) -> Vec<Duration> {
    let mut free_at = Duration::ZERO;
    let taken = arrived.iter().map(|arrived| {
        free_at = free_at.max(*arrived) + transaction;
        free_at.saturating_sub(*arrived)
    });
    taken.collect()
}

/// The time that each payment takes that does not give up, and the number of conflicts.
fn retry(
    arrived: Vec<Duration>,
    pauses: Backoff,
    transaction: Duration,
    random: &impl Random,
) -> (Vec<Duration>, usize) {
    let mut payments: Vec<_> = arrived.into_iter().map(|arrived| Payment { arrived, pauses }).collect();
    let first = payments.iter().enumerate().map(|(index, payment)| Reverse((payment.arrived, index)));
    let mut attempts: BinaryHeap<_> = first.collect();
    let (mut free_at, mut conflicts, mut taken) = (Duration::ZERO, 0, Vec::new());
    while let Some(Reverse((now, index))) = attempts.pop() {
        let payment = &mut payments[index];
        if now >= free_at {
            free_at = now + transaction;
            taken.push(free_at.saturating_sub(payment.arrived));
            continue;
        }
        conflicts += 1;
        let next = now + REFUSAL + payment.pauses.next(random);
        if next < payment.arrived + RETRY_BUDGET {
            attempts.push(Reverse((next, index)));
        }
    }
    (taken, conflicts)
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    const TRANSACTION: Duration = Duration::from_millis(20);

    fn run(policy: Policy, busy: f64) -> Outcome {
        let load = Load { transaction: TRANSACTION, busy, payments: 20_000 };
        super::run(policy, load, &SeededRandom::new(1))
    }

    /// The Pollaczek-Khinchine formula for a queue with one server and a constant service time.
    #[test]
    fn queue_waits_as_long_as_queueing_theory_predicts() {
        let busy = 0.6;
        let random = SeededRandom::new(1);
        let arrived: Vec<_> = arrivals(&random, TRANSACTION.div_f64(busy)).take(200_000).collect();
        let taken = queue(&arrived, TRANSACTION).iter().sum::<Duration>() / 200_000;
        let waited = taken.saturating_sub(TRANSACTION);
        let predicted = TRANSACTION.mul_f64(busy / (2.0 * (1.0 - busy)));
        assert!(waited.abs_diff(predicted) < predicted / 20, "{waited:?}, not {predicted:?}");
    }

    #[test]
    fn payment_without_contention_takes_one_transaction() {
        let outcome = run(Policy::Retry(Backoff::AFTER_CONFLICT), 0.001);
        assert_eq!((outcome.p90, outcome.gave_up), (TRANSACTION, 0));
    }

    /// The reason for the policy: docs/adr/0027-constant-pauses-after-conflicts.md.
    #[test]
    fn constant_pauses_halve_the_tail_of_growing_ones() {
        for busy in [0.4, 0.6, 0.8] {
            let constant = run(Policy::Retry(Backoff::AFTER_CONFLICT), busy);
            let growing = run(Policy::Retry(Backoff::new(10, 80)), busy);
            assert!(constant.p99 < growing.p99 * 6 / 10, "{busy}: {constant:?}, {growing:?}");
            assert!(constant.conflicts < growing.conflicts * 3 / 2, "{busy}: {constant:?}, {growing:?}");
        }
    }

    #[test]
    fn pauses_that_grow_to_a_second_make_payments_give_up() {
        assert!(run(Policy::Retry(Backoff::new(10, 1_000)), 0.8).gave_up > 100);
    }
}
