use std::time::Duration;

use tokio::time::Instant;

/// Length of a window of requests per minute.
const LENGTH: Duration = Duration::from_secs(60);

/// A fixed window that starts with its first request, as LiteLLM's: never more than the limit in one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    started: Option<Instant>,
    requests: u64,
}

// === impl Window ===

impl Window {
    /// Whether one more request fits under `limit`; else how long until the next window.
    pub(crate) fn check(&self, limit: u64, now: Instant) -> Result<(), Duration> {
        match self.current(now) {
            Some(started) if self.requests >= limit => Err(LENGTH.saturating_sub(now - started)),
            None if limit == 0 => Err(LENGTH),
            _ => Ok(()),
        }
    }

    /// Counts one request.
    pub(crate) fn take(&mut self, now: Instant) {
        if self.current(now).is_none() {
            *self = Self { started: Some(now), requests: 0 };
        }
        self.requests += 1;
    }

    /// Takes one request back.
    pub(crate) fn give_back(&mut self) {
        self.requests = self.requests.saturating_sub(1);
    }

    fn current(&self, now: Instant) -> Option<Instant> {
        self.started.filter(|started| now.saturating_duration_since(*started) < LENGTH)
    }
}
