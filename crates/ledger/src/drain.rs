//! The drain: carries events from the spool to a [`Sink`], each exactly once.
//!
//! It reads the segment files, so it works beside the writer in one process or in another. The stored position is
//! exact: the sink includes every event before it and none behind it, so what was spent is what the sink's aggregates
//! say plus what [`Recovered::visit`](crate::Recovered::visit) finds after that position. Which segments running requests
//! still need is no concern of the drain: the writer knows, and keeps them.
//!
//! What is read is forced to the disk before it is committed. So after a power cut the spool never ends before the
//! sink's position, and no sequence that the sink has seen is given away again.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ambient::Clock;
use tokio::sync::watch;
use tokio::task;
use tokio_util::sync::CancellationToken;

use crate::{GatewayId, Position};

mod reader;
mod sink;
mod status;

pub use sink::{Batch, Sink};
pub use status::DrainStatus;

use reader::{Catch, Reader};

/// How the drain goes about it.
#[derive(Clone, Debug)]
pub struct DrainOptions {
    /// How often the spool is looked at when there was nothing new.
    pub poll: Duration,
    /// Events in one batch at most.
    pub max_events: usize,
    /// Bytes of the spool read for one batch at most, within one read (64 KiB).
    pub max_bytes: usize,
    /// The longest pause after a failure; the first is 100 ms, each further one twice as long.
    pub max_pause: Duration,
}

/// Drains one spool into one sink.
pub struct Drain<S> {
    sink: S,
    dir: PathBuf,
    options: DrainOptions,
    clock: Clock,
    released: Option<Released>,
    status: watch::Sender<DrainStatus>,
    /// Away only while a read runs on another thread.
    reader: Option<Box<Reader>>,
    gateway: Option<GatewayId>,
    /// Whether the sink has said where to begin.
    begun: bool,
    committed: Option<Position>,
    /// Read, but not yet committed.
    pending: Option<Batch>,
}

/// Why a step of the drain failed. Nothing is lost by it; the step is repeated.
#[derive(Debug, thiserror::Error)]
pub enum DrainError<E> {
    /// The sink refused.
    #[error("the store did not take events: {0}")]
    Sink(#[source] E),
    /// The spool could not be read.
    #[error("cannot read the spool: {0}")]
    Read(#[from] io::Error),
}

/// Told what may be forgotten.
type Released = Box<dyn Fn(GatewayId, Position) + Send + Sync>;

const FIRST_PAUSE: Duration = Duration::from_millis(100);

// === impl Drain ===

impl<S: Sink> Drain<S> {
    /// A drain of the spool in `dir`, which need not be there yet. Nothing happens before [`Drain::run`] or
    /// [`Drain::catch_up`].
    pub fn new(dir: &Path, sink: S, clock: Clock) -> Self {
        Self {
            sink,
            dir: dir.to_owned(),
            options: DrainOptions::default(),
            clock,
            released: None,
            status: watch::Sender::new(DrainStatus::default()),
            reader: Some(Box::new(Reader::new(dir))),
            gateway: None,
            begun: false,
            committed: None,
            pending: None,
        }
    }

    /// With other options.
    #[must_use]
    pub fn with_options(mut self, options: DrainOptions) -> Self {
        self.options = options;
        self
    }

    /// Has `released` called after every commit, and once at the start, with what the sink includes: pass it to
    /// [`Books::release`](crate::Books::release).
    #[must_use]
    pub fn on_commit(mut self, released: impl Fn(GatewayId, Position) + Send + Sync + 'static) -> Self {
        self.released = Some(Box::new(released));
        self
    }

    /// How far the drain is, now and whenever that changes.
    pub fn status(&self) -> watch::Receiver<DrainStatus> {
        self.status.subscribe()
    }

    /// Drains until `stop`, come what may. A batch on its way to the sink is waited for.
    pub async fn run(&mut self, stop: &CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let rest = if let Ok(more) = self.step().await {
                pause = FIRST_PAUSE;
                if more { Duration::ZERO } else { self.options.poll }
            } else {
                let rest = pause.min(self.options.max_pause);
                pause = rest * 2;
                rest
            };
            let _ = stop.run_until_cancelled(tokio::time::sleep(rest)).await;
        }
    }

    /// Drains everything that is in the spool now. Gives up at the first failure; can be called again.
    pub async fn catch_up(&mut self) -> Result<(), DrainError<S::Error>> {
        while self.step().await? {}
        Ok(())
    }

    /// One batch; says whether there may be more at once.
    async fn step(&mut self) -> Result<bool, DrainError<S::Error>> {
        let outcome = self.try_step().await;
        self.report(outcome.as_ref().err()).await;
        outcome
    }

    async fn try_step(&mut self) -> Result<bool, DrainError<S::Error>> {
        let more = match &self.pending {
            Some(_) => true,
            None => self.read().await?,
        };
        if let Some(batch) = &self.pending {
            self.sink.commit(batch).await.map_err(DrainError::Sink)?;
            self.committed = Some(batch.position);
            self.pending = None;
            self.release();
        }
        Ok(more)
    }

    /// Reads a batch; says whether a limit ended it.
    async fn read(&mut self) -> Result<bool, DrainError<S::Error>> {
        let found = self.with_reader(|reader| reader.refresh().and_then(|()| reader.gateway())).await?;
        let Some(gateway) = found else { return Ok(false) };
        if self.gateway != Some(gateway) {
            (self.gateway, self.begun, self.committed) = (Some(gateway), false, None);
        }
        if !self.begun {
            self.begin(gateway).await?;
        }
        let (max_events, max_bytes) = (self.options.max_events, self.options.max_bytes);
        let from = self.committed.unwrap_or_default();
        let read = move |reader: &mut Reader| reader.read_durably(gateway, from, max_events, max_bytes);
        let Catch { events, position, full, .. } = self.with_reader(read).await?;
        // Records that are no events are worth a commit only when a segment is done with.
        if !events.is_empty() || position.segment > from.segment {
            self.pending = Some(Batch { gateway, events, position });
        }
        Ok(full)
    }

    /// Asks the sink where to go on.
    async fn begin(&mut self, gateway: GatewayId) -> Result<(), DrainError<S::Error>> {
        let position = self.sink.position(gateway).await.map_err(DrainError::Sink)?;
        let sound = self.with_reader(move |reader| reader.seek(gateway, position)).await?;
        if !sound {
            tracing::warn!(%gateway, ?position, "the spool does not reach where it was drained to; it is read anew");
        }
        self.committed = position.filter(|_| sound);
        self.begun = true;
        self.release();
        Ok(())
    }

    fn release(&self) {
        if let (Some(released), Some(gateway), Some(position)) = (&self.released, self.gateway, self.committed) {
            released(gateway, position);
        }
    }

    async fn report(&mut self, error: Option<&DrainError<S::Error>>) {
        let (gateway, committed) = (self.gateway, self.committed);
        let from = committed.unwrap_or_default();
        let measure = move |reader: &mut Reader| gateway.map_or(Ok(0), |gateway| reader.lag(gateway, from));
        let lag = self.with_reader(measure).await.ok();
        let waiting_events = self.pending.as_ref().map_or(0, |batch| batch.events.len());
        let now = self.clock.now();
        self.status.send_modify(|status| {
            let last_error = error.map(|error| Arc::from(error.to_string()));
            match (&status.last_error, &last_error) {
                (None, Some(error)) => tracing::error!(%error, "the books are not drained; trying again"),
                (Some(_), None) => tracing::info!("the books are drained again"),
                _ => {}
            }
            if error.is_none() {
                status.last_success = Some(now);
            }
            status.lagging_bytes = lag.unwrap_or(status.lagging_bytes);
            (status.gateway, status.committed) = (gateway, committed);
            (status.waiting_events, status.last_error) = (waiting_events, last_error);
        });
    }

    /// Runs disk work where it blocks nobody.
    async fn with_reader<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut reader = self.reader.take().unwrap_or_else(|| {
            // The last call was dropped half-way: begin again where the sink is.
            self.begun = false;
            Box::new(Reader::new(&self.dir))
        });
        let work = task::spawn_blocking(move || {
            let outcome = work(&mut reader);
            (reader, outcome)
        });
        let (reader, outcome) = work.await.map_err(io::Error::other)?;
        self.reader = Some(reader);
        outcome
    }
}

impl<S: fmt::Debug> fmt::Debug for Drain<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("sink", &self.sink).field("committed", &self.committed).finish_non_exhaustive()
    }
}

// === impl DrainOptions ===

impl Default for DrainOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(200),
            // About what a database takes in at once without writing parts of it twice.
            max_events: 2_048,
            max_bytes: 2 << 20,
            max_pause: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests;
