//! What the books know under their lock: the spool, the requests in flight, and how much room is promised to whom.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::books::Condition;
use crate::flight::Flight;
use crate::frame::ALIGN;
use crate::spool::{AppendError, Spool};
use crate::{Event, OnFull, Open, Options, Position, Record, Unavailable};

/// Bytes by which a close can exceed its open: numbers at their longest, [`crate::MAX_ATTEMPTS`] attempts.
pub(crate) const CLOSE_GROWTH: u64 = 1528;
/// Bytes by which a checkpoint can exceed its open.
pub(crate) const CHECKPOINT_GROWTH: u64 = 40;
/// What the longest request needs: open, checkpoint and close.
const LARGEST_REQUEST: u64 = 3 * 1024 + CHECKPOINT_GROWTH + CLOSE_GROWTH;
/// How much more seldom requests are restated while the drain is behind: restating must not fill the spool.
const PATIENCE: u32 = 10;

const _: () = assert!(CLOSE_GROWTH.is_multiple_of(ALIGN) && CHECKPOINT_GROWTH.is_multiple_of(ALIGN));

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) spool: Spool,
    flights: HashMap<u64, InFlight>,
    promised: Promise,
    /// Closes of recorded requests that could not be written; their room stays promised. At most `max_outstanding`.
    owed: VecDeque<(Recorded, Event)>,
    /// Events of requests that the spool knows nothing of. At most `max_unrecorded`.
    unrecorded: VecDeque<Event>,
    pub(crate) lost: u64,
    pub(crate) failure: Option<Arc<str>>,
    pub(crate) on_full: OnFull,
    /// Everything before this is drained.
    pub(crate) released: Position,
    max_outstanding: usize,
    max_unrecorded: usize,
}

#[derive(Debug)]
struct InFlight {
    flight: Arc<Flight>,
    /// Where it stands in the spool; `None` while it does not ([`OnFull::Serve`]).
    recorded: Option<Recorded>,
    stated_at: Instant,
}

/// A request in the spool: where its newest record lies and what is promised to it.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    slot: usize,
    promise: Promise,
}

/// Room in the spool that is kept for records to come, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Promise {
    closes: u64,
    checkpoints: u64,
}

// === impl Promise ===

impl Promise {
    /// For one request whose open takes `open` bytes.
    fn to(open: u64) -> Self {
        Self { closes: open + CLOSE_GROWTH, checkpoints: open + CHECKPOINT_GROWTH }
    }

    fn add(&mut self, other: Self) {
        self.closes += other.closes;
        self.checkpoints += other.checkpoints;
    }

    fn take(&mut self, other: Self) {
        self.closes = self.closes.saturating_sub(other.closes);
        self.checkpoints = self.checkpoints.saturating_sub(other.checkpoints);
    }

    fn bytes(self) -> u64 {
        self.closes + self.checkpoints
    }
}

// === impl State ===

impl State {
    pub(crate) fn new(spool: Spool, options: &Options) -> Self {
        Self {
            spool,
            flights: HashMap::new(),
            promised: Promise::default(),
            owed: VecDeque::new(),
            unrecorded: VecDeque::new(),
            lost: 0,
            failure: None,
            on_full: options.on_full,
            released: Position::default(),
            max_outstanding: options.max_outstanding,
            max_unrecorded: options.max_unrecorded,
        }
    }

    /// Requests that have not ended in the spool yet.
    pub(crate) fn outstanding(&self) -> usize {
        self.flights.len() + self.owed.len()
    }

    /// Events that wait in memory.
    pub(crate) fn waiting(&self) -> usize {
        self.owed.len() + self.unrecorded.len()
    }

    /// Bytes that are promised to nobody.
    pub(crate) fn room(&self) -> u64 {
        self.spool.usable().saturating_sub(self.promised.bytes())
    }

    pub(crate) fn condition(&self) -> Condition {
        match &self.failure {
            Some(cause) => Condition::Failing(cause.clone()),
            None if self.is_exhausted() => Condition::Exhausted,
            None => Condition::Sound,
        }
    }

    /// Whether the longest request that there can be would find no room.
    fn is_exhausted(&self) -> bool {
        self.room() < LARGEST_REQUEST
    }

    /// Enters a request, in the spool or, if that takes none and [`OnFull::Serve`] is set, in memory only.
    pub(crate) fn admit(&mut self, open: Open, now: Instant) -> Result<Arc<Flight>, Unavailable> {
        if self.outstanding() >= self.max_outstanding {
            return Err(Unavailable::TooMany(self.max_outstanding));
        }
        let sequence = open.sequence;
        let flight = Arc::new(Flight::new(open));
        let recorded = match self.record_open(&flight.open) {
            Ok(recorded) => Some(recorded),
            Err(_) if self.on_full == OnFull::Serve => None,
            Err(cause) => return Err(cause),
        };
        self.flights.insert(sequence, InFlight { flight: flight.clone(), recorded, stated_at: now });
        Ok(flight)
    }

    fn record_open(&mut self, open: &Open) -> Result<Recorded, Unavailable> {
        if let Some(cause) = &self.failure {
            return Err(Unavailable::Failing(cause.clone()));
        }
        let size = self.encode(&Record::Open(open.clone())).map_err(Unavailable::Failing)?;
        let promise = Promise::to(size);
        if self.room() < size + promise.bytes() {
            return Err(Unavailable::Exhausted);
        }
        let slot = self.write().map_err(Unavailable::Failing)?;
        Ok(self.keep(slot, promise))
    }

    /// Writes the close of a request, or keeps it in memory until that works.
    pub(crate) fn close(&mut self, event: Event) {
        let recorded = self.flights.remove(&event.open.sequence).and_then(|flight| flight.recorded);
        let record = Record::Close(event);
        let written = self.record_close(&record, recorded);
        let Record::Close(event) = record else { return };
        match recorded {
            _ if written => {}
            Some(recorded) => self.owed.push_back((recorded, event)),
            None if self.unrecorded.len() < self.max_unrecorded => self.unrecorded.push_back(event),
            None => self.lost += 1,
        }
    }

    /// Closes a request that was running when the last gateway died; its newest record lies in `slot`.
    pub(crate) fn interrupt(&mut self, slot: usize, event: Event) {
        let recorded = self.keep(slot, Promise::default());
        let record = Record::Close(event);
        if !self.record_close(&record, Some(recorded))
            && let Record::Close(event) = record
        {
            self.owed.push_back((recorded, event));
        }
    }

    fn record_close(&mut self, record: &Record, recorded: Option<Recorded>) -> bool {
        let Ok(size) = self.encode(record) else { return false };
        if recorded.is_none() && self.room() < size {
            return false;
        }
        if self.write().is_err() {
            return false;
        }
        if let Some(recorded) = recorded {
            self.promised.take(recorded.promise);
            self.spool.unhold(recorded.slot);
        }
        true
    }

    /// Running requests whose newest record is older than `age` and that are to be restated. While half of the spool
    /// waits to be drained, that is done more seldom, except where it lets go of a segment.
    pub(crate) fn stale(&self, now: Instant, age: Duration) -> Vec<u64> {
        let patience = if self.spool.is_half_full() { age * PATIENCE } else { age };
        let is_stale = |running: &InFlight| {
            let age = if running.recorded.is_some_and(|recorded| self.is_drained(recorded)) { age } else { patience };
            now.saturating_duration_since(running.stated_at) >= age
        };
        let stale = self.flights.iter().filter(|(_, running)| is_stale(running));
        stale.map(|(sequence, _)| *sequence).collect()
    }

    fn is_drained(&self, recorded: Recorded) -> bool {
        self.spool.segment(recorded.slot) < self.released.segment
    }

    /// Restates a running request, as room allows. The room promised to checkpoints is used only where that lets go
    /// of a drained segment.
    pub(crate) fn checkpoint(&mut self, sequence: u64, now: Instant) {
        let Some(running) = self.flights.get(&sequence) else { return };
        let (flight, before) = (running.flight.clone(), running.recorded);
        if self.failure.is_some() || !self.can_restate(before) {
            return;
        }
        let Ok(size) = self.encode(&Record::Checkpoint(flight.checkpoint())) else { return };
        let promise = before.map_or_else(|| Promise::to(size), |recorded| recorded.promise);
        let Ok(slot) = self.write() else { return };
        if let Some(recorded) = before {
            self.promised.take(recorded.promise);
            self.spool.unhold(recorded.slot);
        }
        let recorded = Some(self.keep(slot, promise));
        self.flights.insert(sequence, InFlight { flight, recorded, stated_at: now });
    }

    fn can_restate(&self, before: Option<Recorded>) -> bool {
        let needed = match before {
            Some(recorded) if self.is_drained(recorded) => self.promised.closes + recorded.promise.checkpoints,
            Some(recorded) => self.promised.bytes() + recorded.promise.checkpoints,
            None => self.promised.bytes() + LARGEST_REQUEST,
        };
        self.spool.usable() >= needed
    }

    /// Writes at most `count` of the events that wait in memory, as room allows. Says whether more can be written.
    pub(crate) fn flush(&mut self, count: usize) -> bool {
        (0..count).all(|_| self.flush_one())
    }

    fn flush_one(&mut self) -> bool {
        let (recorded, event) = match self.owed.pop_front() {
            Some((recorded, event)) => (Some(recorded), event),
            None => match self.unrecorded.pop_front() {
                Some(event) => (None, event),
                None => return false,
            },
        };
        let record = Record::Close(event);
        let written = self.record_close(&record, recorded);
        if !written && let Record::Close(event) = record {
            match recorded {
                Some(recorded) => self.owed.push_front((recorded, event)),
                None => self.unrecorded.push_front(event),
            }
        }
        written
    }

    fn keep(&mut self, slot: usize, promise: Promise) -> Recorded {
        self.promised.add(promise);
        self.spool.hold(slot);
        Recorded { slot, promise }
    }

    fn encode(&mut self, record: &Record) -> Result<u64, Arc<str>> {
        self.spool.encode(record).map_err(|error| error.to_string().into())
    }

    /// Writes what was encoded last. A failure stops admission until the keeper has seen a write succeed.
    fn write(&mut self) -> Result<usize, Arc<str>> {
        self.spool.write().map_err(|error| {
            let cause: Arc<str> = error.to_string().into();
            if !matches!(error, AppendError::Full) {
                self.failure = Some(cause.clone());
            }
            cause
        })
    }
}
