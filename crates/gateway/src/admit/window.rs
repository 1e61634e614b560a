use std::time::Duration;

use tokio::time::Instant;

/// Length of a window of requests, and of tokens, per minute.
const LENGTH: Duration = Duration::from_secs(60);

/// A fixed window that starts with its first request, as LiteLLM's: never more than the limit in one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    started: Option<Instant>,
    requests: u64,
    /// Tokens that were used, and those that running requests may use.
    tokens: u64,
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

    /// Whether so many more tokens fit under `limit`; else how long until the next window.
    ///
    /// The first request of a window always fits, unless nothing is allowed: else one that is estimated above the whole
    /// limit, as many are that do not say `max_tokens`, could never run.
    pub(crate) fn check_tokens(&self, limit: u64, wanted: u64, now: Instant) -> Result<(), Duration> {
        let (used, left) = match self.current(now) {
            Some(started) => (self.tokens, LENGTH.saturating_sub(now - started)),
            None => (0, LENGTH),
        };
        let is_first = used == 0 && limit > 0;
        if is_first || used.saturating_add(wanted) <= limit { Ok(()) } else { Err(left) }
    }

    /// Counts one request and its tokens, and gives the window that it is counted in.
    pub(crate) fn take(&mut self, tokens: u64, now: Instant) -> Instant {
        let started = self.current(now).unwrap_or_else(|| {
            *self = Self { started: Some(now), ..Self::default() };
            now
        });
        self.requests += 1;
        self.tokens = self.tokens.saturating_add(tokens);
        started
    }

    /// Puts the tokens that were used in the place of those that were set aside, if their window is still this one.
    pub(crate) fn settle(&mut self, window: Instant, reserved: u64, used: u64) {
        if self.started == Some(window) {
            self.tokens = self.tokens.saturating_sub(reserved).saturating_add(used);
        }
    }

    /// Takes one request back.
    pub(super) fn give_back(&mut self, window: Instant) {
        if self.started == Some(window) {
            self.requests = self.requests.saturating_sub(1);
        }
    }

    /// Requests and tokens that are counted now, and how long they will be.
    pub(crate) fn counted(&self, now: Instant) -> (u64, u64, Duration) {
        match self.current(now) {
            Some(started) => (self.requests, self.tokens, LENGTH.saturating_sub(now - started)),
            None => (0, 0, Duration::ZERO),
        }
    }

    fn current(&self, now: Instant) -> Option<Instant> {
        self.started.filter(|started| now.saturating_duration_since(*started) < LENGTH)
    }
}
