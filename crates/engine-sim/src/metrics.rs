//! vLLM's metrics, by name, label and bucket.

mod exposition;
mod histogram;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ambient::Timestamp;
pub(crate) use exposition::expose;
use histogram::Histogram;

/// Counters and histograms of the engine.
#[derive(Debug)]
pub(crate) struct Metrics {
    started: Timestamp,
    waiting: AtomicU64,
    prompt_tokens: AtomicU64,
    generation_tokens: AtomicU64,
    stopped: AtomicU64,
    reached_length: AtomicU64,
    ttft: Histogram,
    inter_token: Histogram,
    per_output_token: Histogram,
    end_to_end: Histogram,
    request_prompt_tokens: Histogram,
    request_generation_tokens: Histogram,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The answer was complete.
    Stop,
    /// The allowed number of tokens was reached.
    Length,
}

/// How one finished request went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) finish: Finish,
    pub(crate) prompt_tokens: u32,
    pub(crate) generation_tokens: u32,
    pub(crate) first_token: Duration,
    pub(crate) total: Duration,
}

/// Counts a request among the waiting while it lives.
pub(crate) struct Waiting<'a>(&'a AtomicU64);

const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
];
const PER_TOKEN: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0];
const END_TO_END: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
];
const TOKENS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self {
            started,
            waiting: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            generation_tokens: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            reached_length: AtomicU64::new(0),
            ttft: Histogram::new(FIRST_TOKEN),
            inter_token: Histogram::new(PER_TOKEN),
            per_output_token: Histogram::new(PER_TOKEN),
            end_to_end: Histogram::new(END_TO_END),
            request_prompt_tokens: Histogram::new(TOKENS),
            request_generation_tokens: Histogram::new(TOKENS),
        }
    }

    /// A request queues until the returned guard is dropped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// A prompt was processed.
    pub(crate) fn prefilled(&self, tokens: u32) {
        self.prompt_tokens.fetch_add(tokens.into(), Ordering::Relaxed);
    }

    /// Tokens were generated.
    pub(crate) fn generated(&self, tokens: u32) {
        self.generation_tokens.fetch_add(tokens.into(), Ordering::Relaxed);
    }

    /// A request ended well.
    pub(crate) fn finished(&self, done: &Finished) {
        let counter = if done.finish == Finish::Stop { &self.stopped } else { &self.reached_length };
        counter.fetch_add(1, Ordering::Relaxed);
        self.ttft.observe(done.first_token.as_secs_f64());
        self.end_to_end.observe(done.total.as_secs_f64());
        self.request_prompt_tokens.observe(done.prompt_tokens.into());
        self.request_generation_tokens.observe(done.generation_tokens.into());
        if done.generation_tokens > 1 {
            let gap = done.total.saturating_sub(done.first_token).as_secs_f64() / f64::from(done.generation_tokens - 1);
            self.inter_token.observe_many(gap, u64::from(done.generation_tokens) - 1);
            self.per_output_token.observe(gap);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
