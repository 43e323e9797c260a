//! Randomness that follows from the seed. Each task has a stream of its own, so that what one task draws does not depend
//! on which other tasks there are: a trace that is shortened still replays.

use std::cell::RefCell;

use kernel::Random;
use kernel::testing::SeededRandom;

thread_local! {
    static OF_TASK: RefCell<Option<std::rc::Rc<SeededRandom>>> = const { RefCell::new(None) };
}

/// The randomness of the task that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskRandom;

impl Random for TaskRandom {
    fn fill(&self, buffer: &mut [u8]) {
        OF_TASK.with_borrow(|random| random.as_ref().expect("randomness is drawn by tasks").fill(buffer));
    }
}

/// Runs `body` with this randomness as the task's. The SDK's jitter follows from it too.
pub(crate) fn with_random<T>(random: &std::rc::Rc<SeededRandom>, body: impl FnOnce() -> T) -> T {
    fastrand::seed(draw(&**random));
    OF_TASK.set(Some(random.clone()));
    let outcome = body();
    OF_TASK.set(None);
    outcome
}

fn draw(random: &impl Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Combines a seed with the number of a stream.
pub(crate) fn stream(seed: u64, number: u64) -> SeededRandom {
    SeededRandom::new(draw(&SeededRandom::new(seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93))))
}

/// Random decisions.
#[derive(Debug)]
pub(crate) struct Dice(SeededRandom);

impl Dice {
    pub(crate) const fn new(random: SeededRandom) -> Self {
        Self(random)
    }

    pub(crate) fn seed(&self) -> u64 {
        draw(&self.0)
    }

    /// A number below `end`, which is positive.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::try_from(draw(&self.0) % u64::try_from(end).expect("a small number")).expect("a small number")
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&self, first: u64, last: u64) -> u64 {
        first + draw(&self.0) % (last - first + 1)
    }

    /// True in `percent` of all cases.
    pub(crate) fn chance(&self, percent: u64) -> bool {
        draw(&self.0) % 100 < percent
    }

    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    /// Picks a value by its weight.
    pub(crate) fn weighted<T: Copy>(&self, choices: &[(u64, T)]) -> T {
        let total: u64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = draw(&self.0) % total;
        for (weight, value) in choices {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        unreachable!("a number below the sum of the weights")
    }
}
