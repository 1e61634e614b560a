use std::sync::atomic::{AtomicU64, Ordering};

/// A Prometheus histogram; the sum is kept in millionths.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    buckets: Vec<AtomicU64>,
    count: AtomicU64,
    sum_millionths: AtomicU64,
}

// === impl Histogram ===

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            buckets: bounds.iter().map(|_| AtomicU64::new(0)).collect(),
            count: AtomicU64::new(0),
            sum_millionths: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, value: f64) {
        self.observe_many(value, 1);
    }

    /// Counts `value` `times` times.
    pub(super) fn observe_many(&self, value: f64, times: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(times, Ordering::Relaxed);
        }
        self.count.fetch_add(times, Ordering::Relaxed);
        self.sum_millionths.fetch_add(millionths(value).saturating_mul(times), Ordering::Relaxed);
    }

    /// Upper bounds with cumulative counts, without `+Inf`.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket.load(Ordering::Relaxed);
            Some(*sum)
        });
        self.bounds.iter().copied().zip(counts)
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric's sum")]
    pub(super) fn sum(&self) -> f64 {
        self.sum_millionths.load(Ordering::Relaxed) as f64 / 1e6
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "negative and absurd values saturate")]
fn millionths(value: f64) -> u64 {
    (value * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_it_and_counts_accumulate() {
        let histogram = Histogram::new(&[1.0, 2.0]);
        histogram.observe(1.0);
        histogram.observe(1.5);
        histogram.observe_many(9.0, 2);
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(1.0, 1), (2.0, 2)]);
        assert_eq!(histogram.count(), 4);
        assert!((histogram.sum() - 20.5).abs() < 1e-9);
    }
}
