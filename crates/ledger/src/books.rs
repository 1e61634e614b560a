use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ambient::{Clock, Rng, Timestamp};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::time::Instant;

use crate::keeper;
use crate::recovery::{self, OpenError, Recovered};
use crate::state::State;
use crate::{Entry, Event, GatewayId, NewRequest, OnFull, Options, Position, Prepared};

/// One gateway's books. Clones are cheap and mean the same books.
///
/// The last handle to go, [`Entry`]s included, forces everything to the disk and waits for that.
#[derive(Clone, Debug)]
pub struct Books(Arc<Desk>);

/// Why a request cannot be entered in the books: answer 503 `books_unavailable`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No room is left until the manager has drained the spool.
    #[error("the spool is full; it has room again when the manager has drained it")]
    Exhausted,
    /// As many requests are in flight as the books can hold.
    #[error("{0} requests are in flight, as many as the books hold; try again when some have ended")]
    TooMany(usize),
    /// The spool cannot be written or forced to the disk.
    #[error("the books cannot be written ({0}); check the disk that holds the spool")]
    Failing(Arc<str>),
}

/// How the books are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether requests are recorded.
    pub condition: Condition,
    /// What happens to requests while they are not.
    pub on_full: OnFull,
    /// Requests whose end is not in the spool yet.
    pub outstanding: usize,
    /// Events that wait in memory for the spool.
    pub waiting: usize,
    /// Events that found no place in memory either, since start.
    pub lost: u64,
    /// Bytes of the spool that are promised to no request.
    pub room: u64,
}

/// Whether the spool takes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Sound,
    /// It is full until it is drained.
    Exhausted,
    /// It cannot be written, for this reason.
    Failing(Arc<str>),
}

/// What the handles share, and the thread that keeps it.
#[derive(Debug)]
pub(crate) struct Desk {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

/// What the request path and the keeper share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    /// Held during one round of keeping.
    pub(crate) keeping: Mutex<()>,
    pub(crate) wake: Condvar,
    pub(crate) orders: Mutex<keeper::Orders>,
}

// === impl Books ===

impl Books {
    /// Opens the books in `dir`, makes them if there are none, and closes what a crash left open. Blocks: it reads the
    /// spool and forces it to the disk.
    pub fn open(dir: &Path, options: Options, clock: Clock, rng: &Rng) -> Result<(Self, Recovered), OpenError> {
        let (state, recovered) = recovery::open(dir, &options, &clock, rng)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            clock,
            options,
            keeping: Mutex::new(()),
            wake: Condvar::new(),
            orders: Mutex::new(keeper::Orders::default()),
        });
        let keeper = keeper::start(shared.clone()).map_err(OpenError::Thread)?;
        Ok((Self(Arc::new(Desk { shared, keeper: Some(keeper) })), recovered))
    }

    /// Whose books these are.
    pub fn gateway(&self) -> GatewayId {
        self.0.state().spool.gateway
    }

    /// Enters a request: from here on it ends in exactly one event.
    pub fn admit(&self, request: NewRequest) -> Result<Entry, Unavailable> {
        self.prepare(request)?.written()
    }

    /// Begins to enter a request. It is admitted by [`Prepared::written`], which writes all that were prepared by then in
    /// one go: worth giving others their turn in between.
    pub fn prepare(&self, request: NewRequest) -> Result<Prepared, Unavailable> {
        let (now, instant) = (self.0.now(), Instant::now());
        let mut state = self.0.state();
        let sequence = state.spool.take_sequence();
        let flight = state.admit(request.into_open(sequence, now), instant)?;
        drop(state);
        Ok(Prepared::new(self.0.clone(), flight))
    }

    /// Writes in one go what was prepared or settled and is not written yet: after [`Entry::settle_with_others`], before
    /// the client can know the end. A close that cannot be written waits in memory.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// Says that everything before `position` is drained: segments wholly before it are used again, once no running
    /// request needs them. Call it only after the sink has committed. A position past the end is another spool's and means
    /// nothing here. Does not wait.
    pub fn release(&self, position: Position) {
        let mut state = self.0.state();
        if position <= state.spool.end() {
            state.released = state.released.max(position);
        }
        drop(state);
        self.0.shared.ask(|orders| orders.soon = true);
    }

    /// Forces everything to the disk that was recorded before the call. Blocks; not for the request path.
    pub fn sync(&self) -> Result<(), Unavailable> {
        keeper::round(&self.0.shared, Instant::now());
        self.0.state().failure.clone().map_or(Ok(()), |cause| Err(Unavailable::Failing(cause)))
    }

    /// Changes what happens to requests while the spool takes no record.
    pub fn set_on_full(&self, on_full: OnFull) {
        self.0.state().on_full = on_full;
    }

    /// Where the next record goes.
    #[cfg(test)]
    pub(crate) fn tail(&self) -> Position {
        self.0.state().spool.end()
    }

    /// Holds the keeper off, so that a test can look at the files.
    #[cfg(test)]
    pub(crate) fn hold_keeper(&self) -> MutexGuard<'_, ()> {
        self.0.shared.keeping.lock()
    }

    /// How the books are now.
    pub fn health(&self) -> Health {
        let state = self.0.state();
        Health {
            condition: state.condition(),
            on_full: state.on_full,
            outstanding: state.outstanding(),
            waiting: state.waiting(),
            lost: state.lost,
            room: state.room(),
        }
    }
}

// === impl Desk ===

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn close(&self, event: Box<Event>) {
        self.state().close(event);
    }

    pub(crate) fn flush(&self) {
        // Whoever it concerns is told: requests by what became of them, everybody by the condition of the books.
        let _ = self.state().flush();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.ask(|orders| orders.stop = true);
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked has been reported by its thread; there is nothing left to wait for.
            let _ = keeper.join();
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Leaves an order for the keeper and wakes it.
    fn ask(&self, order: impl FnOnce(&mut keeper::Orders)) {
        order(&mut self.orders.lock());
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests;
