use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Answers that a deployment is judged by: the last ones.
const SAMPLES: usize = 10;

/// How long an answer says something about its deployment. Then it is asked again, as one that was never asked.
const LIFE: Duration = Duration::from_secs(3600);

/// What an answer that did not come in time counts as, in seconds.
const TIMED_OUT: f64 = 1_000.0;

/// How long the last answers of a deployment took.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Seconds for each token of the answer; of one without tokens, for all of it.
    whole: Samples,
    /// Seconds to the first byte of a stream.
    first_byte: Samples,
}

#[derive(Debug, Default)]
struct Samples(VecDeque<(Instant, f64)>);

// === impl Latencies ===

impl Latencies {
    /// An answer of `tokens` ended after `took`; of a stream, with the time to its first byte.
    pub(crate) fn answered(&mut self, took: Duration, tokens: u64, first_byte: Option<Duration>, now: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "an answer has few tokens")]
        self.whole.push(took.as_secs_f64() / tokens.max(1) as f64, now);
        if let Some(first_byte) = first_byte {
            self.first_byte.push(first_byte.as_secs_f64(), now);
        }
    }

    /// An answer did not come in time.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        self.whole.push(TIMED_OUT, now);
        self.first_byte.push(TIMED_OUT, now);
    }

    /// The mean of the last answers, in seconds; 0 where nothing is known, so that whoever was not asked yet goes first.
    pub(crate) fn score(&self, is_stream: bool, now: Instant) -> f64 {
        let of_streams = is_stream.then(|| self.first_byte.mean(now)).flatten();
        of_streams.or_else(|| self.whole.mean(now)).unwrap_or(0.0)
    }
}

// === impl Samples ===

impl Samples {
    fn push(&mut self, seconds: f64, now: Instant) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((now, seconds));
    }

    fn mean(&self, now: Instant) -> Option<f64> {
        let young = |at: &Instant| now.saturating_duration_since(*at) < LIFE;
        let (sum, count) = self
            .0
            .iter()
            .filter(|(at, _)| young(at))
            .fold((0.0, 0_u32), |(sum, count), (_, seconds)| (sum + seconds, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_last_answers_count_until_they_are_old() {
        let (mut latencies, now) = (Latencies::default(), Instant::now());
        assert!(latencies.score(false, now) == 0.0);
        for _ in 0..30 {
            latencies.answered(100 * SECOND, 1, None, now);
        }
        for _ in 0..10 {
            latencies.answered(4 * SECOND, 2, None, now);
        }
        assert!((latencies.score(false, now) - 2.0).abs() < 1e-9);
        assert!((latencies.score(true, now) - 2.0).abs() < 1e-9, "no stream is known");
        latencies.answered(SECOND, 1, Some(SECOND / 2), now);
        assert!((latencies.score(true, now) - 0.5).abs() < 1e-9);
        assert!(latencies.score(true, now + LIFE) == 0.0, "asked again in the end");
        latencies.timed_out(now);
        assert!(latencies.score(true, now) > 500.0);
    }
}
