use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::call::Call;
use crate::error::ApiError;
use crate::metrics::{Finish, Finished};
use crate::settings::Pace;

/// What is to be done for a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: u32,
    /// Tokens of the answer, over all choices.
    pub(crate) completion_tokens: u32,
    /// How the answer ends.
    pub(crate) finish: Finish,
}

/// A request with a seat in the batch.
pub(super) struct Session {
    pub(super) call: Call,
    pub(super) work: Work,
    pub(super) pace: Pace,
    pub(super) started: Instant,
    first_token: Option<Instant>,
    _seat: Option<OwnedSemaphorePermit>,
}

// === impl Work ===

impl Work {
    /// Work that generates nothing.
    pub(crate) const fn prefill_only(prompt_tokens: u32) -> Self {
        Self { prompt_tokens, completion_tokens: 0, finish: Finish::Stop }
    }
}

// === impl Session ===

impl Session {
    /// Opens the books for the answer and waits for a seat.
    pub(super) async fn start(call: Call, work: Work, stream: bool) -> Self {
        let app = call.app.clone();
        call.entry.asked(stream, work.prompt_tokens);
        let waiting = app.metrics.wait();
        let started = Instant::now();
        let seat = app.seats.clone().acquire_owned().await.ok();
        drop(waiting);
        app.metrics.prefilled(work.prompt_tokens);
        let pace = app.settings.pace();
        Self { call, work, pace, started, first_token: None, _seat: seat }
    }

    /// Waits until the first token is due.
    pub(super) fn first_due(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.pace.ttft_ms)
    }

    /// Waits until `due`; fails if the server is told to stop meanwhile.
    pub(super) async fn wait(&mut self, due: Instant) -> Result<(), ApiError> {
        if due > Instant::now() {
            let stopping = self.call.app.stopping.clone();
            tokio::select! {
                () = sleep_until(due) => {}
                () = stopping.cancelled() => return Err(ApiError::engine_dead()),
            }
        }
        Ok(())
    }

    /// Notes that `tokens` go out now.
    pub(super) fn sent(&mut self, tokens: u32) {
        self.first_token.get_or_insert_with(Instant::now);
        self.call.entry.sent(tokens);
        self.call.app.metrics.generated(tokens);
    }

    /// Notes that the answer is complete.
    pub(super) fn finish(&self) {
        let first_token = self.first_token.map_or(Duration::ZERO, |first| first - self.started);
        self.call.app.metrics.finished(&Finished {
            finish: self.work.finish,
            prompt_tokens: self.work.prompt_tokens,
            generation_tokens: self.work.completion_tokens,
            first_token,
            total: self.started.elapsed(),
        });
        self.call.entry.finish();
    }
}
