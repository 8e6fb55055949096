//! Latencies in log-linear buckets: constant size, at most 1.6 % off.

use std::time::Duration;

/// Buckets per power of two.
const LINEAR: u64 = 64;
/// Powers of two above the first, exact range; microseconds up to about 12 days.
const POWERS: usize = 34;

/// Counts of durations.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; (POWERS + 1) * usize::try_from(LINEAR).unwrap_or(64)],
            count: 0,
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.record_many(duration, 1);
    }

    /// Counts the same duration several times.
    pub(crate) fn record_many(&mut self, duration: Duration, times: u64) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len().saturating_sub(1);
        if let Some(bucket) = self.buckets.get_mut(index(micros).min(last)) {
            *bucket += times;
            self.count += times;
        }
    }

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// The duration in milliseconds that `share` of all were not above; zero without any.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts stay far below 2^52 and shares are between 0 and 1"
    )]
    pub(crate) fn milliseconds(&self, share: f64) -> f64 {
        let wanted = ((self.count as f64) * share).ceil() as u64;
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= wanted && *bucket > 0 {
                return upper(index) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn index(micros: u64) -> usize {
    let index = if micros < LINEAR {
        micros
    } else {
        let power = u64::from(micros.ilog2() - LINEAR.ilog2());
        (power + 1) * LINEAR + ((micros >> power) - LINEAR)
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The largest value that falls into a bucket.
fn upper(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    match (index / LINEAR).checked_sub(1) {
        None => index,
        Some(power) => (((index % LINEAR) + LINEAR + 1) << power) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_a_bucket_at_most_one_64th_above_it() {
        for micros in (0..100_000).chain([1 << 20, (1 << 30) + 12_345, 1 << 38]) {
            let upper = upper(index(micros));
            assert!(upper >= micros, "{micros} is above {upper}");
            assert!(
                upper - micros <= micros / 64,
                "{micros} is reported as {upper}"
            );
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        for millisecond in 1..=1000 {
            histogram.record(Duration::from_millis(millisecond));
        }
        let near = |share, expected: f64| {
            let found = histogram.milliseconds(share);
            assert!((found / expected - 1.0).abs() < 0.017, "{share}: {found}");
        };
        near(0.5, 500.0);
        near(0.99, 990.0);
        near(0.999, 999.0);
        assert!(Histogram::default().milliseconds(0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn merging_adds_counts() {
        let mut one = Histogram::default();
        let mut other = Histogram::default();
        one.record_many(Duration::from_millis(1), 99);
        other.record(Duration::from_secs(1));
        one.merge(&other);
        assert!(one.milliseconds(0.99) < 1.1);
        assert!(one.milliseconds(0.995) > 999.0);
    }
}
