//! What the books know under their lock: the spool, the requests in flight, and how much room is promised to whom.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::books::Condition;
use crate::flight::Flight;
use crate::frame::ALIGN;
use crate::record::Written;
use crate::spool::{AppendError, Spool};
use crate::{Event, OnFull, Open, Options, Position, Unavailable};

/// Bytes by which a record can exceed its open because another model serves the request: its name and its price.
const MOVED_GROWTH: u64 = 360;
/// Bytes by which a close can exceed its open: numbers at their longest, [`crate::MAX_ATTEMPTS`] attempts, another model.
pub(crate) const CLOSE_GROWTH: u64 = 1528 + MOVED_GROWTH;
/// Bytes by which a checkpoint can exceed its open.
pub(crate) const CHECKPOINT_GROWTH: u64 = 40 + MOVED_GROWTH;
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
    owed: VecDeque<(Recorded, Box<Event>)>,
    /// What was appended to the spool and is not written yet, in order.
    appended: Vec<Appended>,
    /// Closes of recorded requests among these.
    closing: usize,
    /// Events of requests that the spool knows nothing of. At most `max_unrecorded`.
    unrecorded: VecDeque<Box<Event>>,
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

/// A record on its way to the spool: what its writing brings about, or its failing.
#[derive(Debug)]
enum Appended {
    Open { flight: Arc<Flight>, recorded: Recorded },
    Close { event: Box<Event>, recorded: Option<Recorded> },
    Checkpoint { sequence: u64, slot: usize, promise: Promise, stated_at: Instant },
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
            appended: Vec::new(),
            closing: 0,
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
        self.flights.len() + self.closing + self.owed.len()
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

    /// Enters a request, in the spool or, if that takes none and [`OnFull::Serve`] is set, in memory only. It is admitted
    /// when [`Self::flush`] says so.
    pub(crate) fn admit(&mut self, open: Open, now: Instant) -> Result<Arc<Flight>, Unavailable> {
        if self.outstanding() >= self.max_outstanding {
            return Err(Unavailable::TooMany(self.max_outstanding));
        }
        let sequence = open.sequence;
        let flight = Arc::new(Flight::new(open));
        let recorded = match self.record_open(&flight.open) {
            Ok(recorded) => {
                self.appended.push(Appended::Open { flight: flight.clone(), recorded });
                Some(recorded)
            }
            Err(_) if self.on_full == OnFull::Serve => {
                let _ = flight.admitted.set(Ok(()));
                None
            }
            Err(cause) => return Err(cause),
        };
        self.flights.insert(sequence, InFlight { flight: flight.clone(), recorded, stated_at: now });
        Ok(flight)
    }

    fn record_open(&mut self, open: &Open) -> Result<Recorded, Unavailable> {
        if let Some(cause) = &self.failure {
            return Err(Unavailable::Failing(cause.clone()));
        }
        let size = self.encode(Written::Open(open)).map_err(Unavailable::Failing)?;
        let promise = Promise::to(size);
        let needed = size + promise.bytes();
        if self.room() < needed {
            // Closes that are written give back what was promised to them.
            self.flush().map_err(Unavailable::Failing)?;
        }
        if self.room() < needed {
            return Err(Unavailable::Exhausted);
        }
        let slot = self.append().map_err(Unavailable::Failing)?;
        Ok(self.keep(slot, promise))
    }

    /// Appends the close of a request; keeps it in memory while that does not work.
    pub(crate) fn close(&mut self, event: Box<Event>) {
        let recorded = self.flights.remove(&event.open.sequence).and_then(|flight| flight.recorded);
        if let Some(event) = self.append_close(event, recorded) {
            self.keep_waiting(event, recorded);
        }
    }

    /// Closes a request that was running when the last gateway died; its newest record lies in `slot`.
    pub(crate) fn interrupt(&mut self, slot: usize, event: Event) {
        let recorded = Some(self.keep(slot, Promise::default()));
        if let Some(event) = self.append_close(Box::new(event), recorded) {
            self.keep_waiting(event, recorded);
        }
    }

    /// Gives the event back where that does not work.
    fn append_close(&mut self, event: Box<Event>, recorded: Option<Recorded>) -> Option<Box<Event>> {
        let is_appended = match self.encode(Written::close(&event)) {
            Ok(size) => (recorded.is_some() || self.room() >= size) && self.append().is_ok(),
            Err(_) => false,
        };
        if !is_appended {
            return Some(event);
        }
        self.closing += usize::from(recorded.is_some());
        self.appended.push(Appended::Close { event, recorded });
        None
    }

    fn keep_waiting(&mut self, event: Box<Event>, recorded: Option<Recorded>) {
        match recorded {
            Some(recorded) => self.owed.push_back((recorded, event)),
            None if self.unrecorded.len() < self.max_unrecorded => self.unrecorded.push_back(event),
            None => self.lost += 1,
        }
    }

    /// Writes all that was appended. Nobody may act on a record before: not send a request whose open it is, nor end an
    /// answer whose close it is. A failure stops admission until the keeper has seen a write succeed.
    pub(crate) fn flush(&mut self) -> Result<(), Arc<str>> {
        if self.appended.is_empty() {
            return Ok(());
        }
        let (written, outcome) = self.spool.flush();
        let cause: Option<Arc<str>> = outcome.err().map(|error| AppendError::Write(error).to_string().into());
        let mut group = std::mem::take(&mut self.appended);
        self.closing = 0;
        for (number, appended) in group.drain(..).enumerate() {
            match &cause {
                Some(cause) if number >= written => self.fall_out(appended, cause),
                _ => self.came_in(appended),
            }
        }
        self.appended = group;
        let Some(cause) = cause else { return Ok(()) };
        self.failure = Some(cause.clone());
        Err(cause)
    }

    /// `appended` is written.
    fn came_in(&mut self, appended: Appended) {
        match appended {
            Appended::Open { flight, .. } => drop(flight.admitted.set(Ok(()))),
            Appended::Close { recorded, .. } => {
                if let Some(recorded) = recorded {
                    self.let_go(recorded);
                }
            }
            Appended::Checkpoint { sequence, slot, promise, stated_at } => {
                let recorded = self.keep(slot, promise);
                let before = match self.flights.get_mut(&sequence) {
                    Some(running) => {
                        running.stated_at = stated_at;
                        running.recorded.replace(recorded)
                    }
                    None => Some(recorded),
                };
                if let Some(before) = before {
                    self.let_go(before);
                }
            }
        }
    }

    /// `appended` could not be written: its request is refused or goes on in memory, an event waits.
    fn fall_out(&mut self, appended: Appended, cause: &Arc<str>) {
        match appended {
            Appended::Open { flight, recorded } => {
                self.let_go(recorded);
                let sequence = flight.open.sequence;
                let admitted = if self.on_full == OnFull::Serve {
                    if let Some(running) = self.flights.get_mut(&sequence) {
                        running.recorded = None;
                    }
                    Ok(())
                } else {
                    self.flights.remove(&sequence);
                    Err(Unavailable::Failing(cause.clone()))
                };
                let _ = flight.admitted.set(admitted);
            }
            Appended::Close { event, recorded } => self.keep_waiting(event, recorded),
            // The record before it still holds.
            Appended::Checkpoint { .. } => {}
        }
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

    /// Restates a running request, as room allows; [`Self::flush`] has to follow under the same lock. The room promised to checkpoints is used only where that lets go
    /// of a drained segment.
    pub(crate) fn checkpoint(&mut self, sequence: u64, now: Instant) {
        let Some(running) = self.flights.get(&sequence) else { return };
        let (flight, before) = (running.flight.clone(), running.recorded);
        if self.failure.is_some() || !self.can_restate(before) {
            return;
        }
        let checkpoint = flight.checkpoint();
        let Ok(size) = self.encode(Written::checkpoint(&checkpoint)) else { return };
        let promise = before.map_or_else(|| Promise::to(size), |recorded| recorded.promise);
        let Ok(slot) = self.append() else { return };
        self.appended.push(Appended::Checkpoint { sequence, slot, promise, stated_at: now });
        if before.is_none() {
            // What is promised to it now must count for the next. A failure stops admission, and the keeper sees it.
            let _ = self.flush();
        }
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
    pub(crate) fn write_waiting(&mut self, count: usize) -> bool {
        let all = (0..count).all(|_| self.append_waiting());
        self.flush().is_ok() && all
    }

    fn append_waiting(&mut self) -> bool {
        let (recorded, event) = match self.owed.pop_front() {
            Some((recorded, event)) => (Some(recorded), event),
            None => match self.unrecorded.pop_front() {
                Some(event) => (None, event),
                None => return false,
            },
        };
        match (self.append_close(event, recorded), recorded) {
            (None, _) => return true,
            (Some(event), Some(recorded)) => self.owed.push_front((recorded, event)),
            (Some(event), None) => self.unrecorded.push_front(event),
        }
        false
    }

    fn keep(&mut self, slot: usize, promise: Promise) -> Recorded {
        self.promised.add(promise);
        self.spool.hold(slot);
        Recorded { slot, promise }
    }

    /// Takes back one [`Self::keep`].
    fn let_go(&mut self, recorded: Recorded) {
        self.promised.take(recorded.promise);
        self.spool.unhold(recorded.slot);
    }

    fn encode(&mut self, record: Written<'_>) -> Result<u64, Arc<str>> {
        self.spool.encode(record).map_err(|error| error.to_string().into())
    }

    /// Appends what was encoded last. A failure stops admission until the keeper has seen a write succeed.
    fn append(&mut self) -> Result<usize, Arc<str>> {
        if self.spool.must_flush() {
            self.flush()?;
        }
        self.spool.append().map_err(|error| {
            let cause: Arc<str> = error.to_string().into();
            if !matches!(error, AppendError::Full) {
                self.failure = Some(cause.clone());
            }
            cause
        })
    }
}
