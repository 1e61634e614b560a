use std::sync::Arc;
use std::time::Duration;

use ambient::Clock;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Args;
use crate::api::Store;
use crate::books::Books;
use crate::connection::Gate;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// Everything that the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) args: Args,
    pub(crate) settings: Settings,
    pub(crate) books: Arc<Books>,
    pub(crate) metrics: Metrics,
    pub(crate) gate: Gate,
    pub(crate) responses: Store,
    /// Seats in the batch; who finds none waits.
    pub(crate) seats: Arc<Semaphore>,
    /// Cancelled when the server is told to stop: streams end with `abort`.
    pub(crate) stopping: CancellationToken,
    clock: Clock,
    ready_at: Instant,
}

// === impl App ===

impl App {
    pub(crate) fn new(args: Args, gate: Gate, stopping: CancellationToken) -> Self {
        let clock = Clock::system();
        let seats = usize::try_from(args.max_num_seqs).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            settings: Settings::new(&args),
            books: Arc::default(),
            metrics: Metrics::new(clock.now()),
            gate,
            responses: Store::default(),
            seats: Arc::new(Semaphore::new(seats)),
            stopping,
            ready_at: Instant::now() + Duration::from_millis(args.start_delay_ms),
            clock,
            args,
        }
    }

    /// Seconds since 1970, for `created`.
    pub(crate) fn created(&self) -> i64 {
        self.clock.now().as_secs()
    }

    /// Whether the start delay is over.
    pub(crate) fn ready(&self) -> bool {
        Instant::now() >= self.ready_at
    }

    /// Refuses a model name that is not served. A request without a name gets the one model.
    pub(crate) fn check_model(&self, asked: Option<&str>) -> Result<(), ApiError> {
        match asked {
            Some(name) if name != self.args.model => Err(ApiError::unknown_model(name, &self.args.model)),
            _ => Ok(()),
        }
    }

    /// Tokens left for an answer; refuses a prompt that leaves none.
    pub(crate) fn room_after(&self, prompt_tokens: u32) -> Result<u32, ApiError> {
        match self.args.max_model_len.checked_sub(prompt_tokens) {
            None | Some(0) => Err(ApiError::too_long(self.args.max_model_len)),
            Some(room) => Ok(room),
        }
    }
}
