//! Requests that arrive at random, independently of each other and of the responses: a Poisson process.

use std::time::Duration;

use kernel::Random;

/// The times of arrival, with this mean time between two.
pub fn arrivals(random: &impl Random, mean: Duration) -> impl Iterator<Item = Duration> {
    let mut now = Duration::ZERO;
    std::iter::from_fn(move || {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let uniform = (f64::from(u32::from_le_bytes(bytes)) + 0.5) / 4_294_967_296.0;
        now += mean.mul_f64(-uniform.ln());
        Some(now)
    })
}

/// The time that this share of sorted times does not exceed.
pub fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    sorted[(sorted.len() * per_cent / 100).min(sorted.len() - 1)]
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    /// In a Poisson process the number of arrivals in an interval has its mean as its variance.
    #[test]
    fn arrivals_per_interval_have_the_variance_of_their_mean() {
        const INTERVALS: usize = 20_000;
        let random = SeededRandom::new(1);
        let mut counts = vec![0_u32; INTERVALS];
        for at in arrivals(&random, Duration::from_millis(250)) {
            let Some(count) = usize::try_from(at.as_secs()).ok().and_then(|second| counts.get_mut(second)) else {
                break;
            };
            *count += 1;
        }
        let intervals = f64::from(u32::try_from(INTERVALS).unwrap());
        let mean = counts.iter().copied().map(f64::from).sum::<f64>() / intervals;
        let variance = counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / intervals;
        assert!((mean - 4.0).abs() < 0.1, "{mean}");
        assert!((variance - 4.0).abs() < 0.2, "{variance}");
    }

    #[test]
    fn percentile_of_few_times_is_one_of_them() {
        let times = [1, 2, 3].map(Duration::from_secs);
        assert_eq!([0, 50, 99, 100].map(|per_cent| percentile(&times, per_cent).as_secs()), [1, 2, 3, 3]);
    }
}
