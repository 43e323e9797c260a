//! The configuration of model-based tests.

use proptest::test_runner::{Config, RngSeed};

/// The maximum number of attempts to find a shorter sequence that fails.
const MAX_SHRINK_ITERATIONS: u32 = 500;

/// Runs this many cases with a fixed seed, so that every run is the same. If `PROPTEST_CASES` is set, it runs that many, with
/// a seed that is new unless `PROPTEST_RNG_SEED` is set too.
pub fn config(cases: u32) -> Config {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return Config { max_shrink_iters: MAX_SHRINK_ITERATIONS, ..Config::default() };
    }
    let rng_seed = RngSeed::Fixed(1);
    Config { cases, rng_seed, max_shrink_iters: MAX_SHRINK_ITERATIONS, ..Config::default() }
}
