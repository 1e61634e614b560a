use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two looks at how far it is.
const EVERY: Duration = Duration::from_millis(250);
/// How much of a rate is what it was before, at each look: some 5 seconds are remembered.
const INERTIA: f64 = 0.95;

/// How far a pull is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Files that were asked for.
    pub files: u64,
    /// Files that are there.
    pub files_done: u64,
    /// Bytes that were asked for, each content once.
    pub bytes: u64,
    /// Bytes that are there, those of earlier tries included.
    pub bytes_done: u64,
    /// How many come a second, over the last few; 0 before there is anything to tell.
    pub bytes_per_second: u64,
    /// How long it takes at that rate; none before there is one.
    pub seconds_left: Option<u64>,
    /// Paths of the files that are fetched right now.
    pub fetching: Vec<String>,
}

/// Counts what comes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: Progress,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    /// Bytes that came now, not in an earlier try.
    came: AtomicU64,
    fetching: Mutex<BTreeSet<String>>,
}

// === impl Meter ===

impl Meter {
    pub(crate) fn new(files: u64, bytes: u64) -> Self {
        Self(Arc::new(Inner {
            total: Progress { files, bytes, ..Progress::default() },
            files_done: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            came: AtomicU64::new(0),
            fetching: Mutex::default(),
        }))
    }

    pub(crate) fn begin(&self, path: &str) {
        self.0.fetching.lock().insert(path.to_owned());
    }

    /// A file is there; `copies` paths lead to it.
    pub(crate) fn end(&self, path: &str, copies: u64) {
        self.0.fetching.lock().remove(path);
        self.0.files_done.fetch_add(copies, Ordering::Relaxed);
    }

    /// Bytes that were there already.
    pub(crate) fn had(&self, bytes: u64) {
        self.0.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that came.
    pub(crate) fn came(&self, bytes: u64) {
        self.0.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.0.came.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that have to come again.
    pub(crate) fn lost(&self, bytes: u64) {
        self.0.bytes_done.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that came so far.
    pub(crate) fn all_that_came(&self) -> u64 {
        self.0.came.load(Ordering::Relaxed)
    }

    /// Tells how far it is, again and again; never ends by itself.
    pub(crate) async fn tell(&self, told: &watch::Sender<Progress>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut rate, mut before, mut at) = (0.0, 0, Instant::now());
        loop {
            ticks.tick().await;
            let (came, now) = (self.all_that_came(), Instant::now());
            let seconds = now.duration_since(at).as_secs_f64();
            if seconds > 0.0 {
                let latest = as_float(came - before) / seconds;
                rate = if before == 0 { latest } else { rate * INERTIA + latest * (1.0 - INERTIA) };
                (before, at) = (came, now);
            }
            told.send_replace(self.progress(rate));
        }
    }

    /// How far it is, at a rate in bytes a second.
    pub(crate) fn progress(&self, rate: f64) -> Progress {
        let inner = &*self.0;
        let bytes_done = inner.bytes_done.load(Ordering::Relaxed);
        let left = inner.total.bytes.saturating_sub(bytes_done);
        Progress {
            files_done: inner.files_done.load(Ordering::Relaxed),
            bytes_done,
            bytes_per_second: as_count(rate),
            seconds_left: (rate >= 1.0).then(|| as_count((as_float(left) / rate).ceil())),
            fetching: inner.fetching.lock().iter().cloned().collect(),
            ..inner.total.clone()
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
const fn as_float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and a rate is never negative")]
const fn as_count(rate: f64) -> u64 {
    rate as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_tells_rate_and_time_left() {
        let meter = Meter::new(2, 10_000);
        let (told, mut progress) = watch::channel(Progress::default());
        meter.begin("a");
        meter.had(1_000);
        let teller = tokio::spawn({
            let meter = meter.clone();
            async move { meter.tell(&told).await }
        });
        for _ in 0..8 {
            tokio::time::sleep(EVERY).await;
            meter.came(500);
        }
        tokio::time::sleep(EVERY).await;
        let now = progress.borrow_and_update().clone();
        assert_eq!((now.bytes, now.bytes_done, now.files, now.files_done), (10_000, 5_000, 2, 0));
        assert!((1_500..=2_000).contains(&now.bytes_per_second), "{now:?}");
        assert!((2..=4).contains(&now.seconds_left.unwrap()), "{now:?}");
        assert_eq!(now.fetching, ["a"]);
        teller.abort();
    }
}
