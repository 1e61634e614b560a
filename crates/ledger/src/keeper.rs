//! The thread that does what the request path must not wait for: forcing to the disk, restating, reusing segments.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::MutexGuard;
use tokio::time::Instant;

use crate::books::{Condition, Shared};
use crate::spool::Dirty;

/// Records written under one hold of the lock, so that no admission waits for all of them.
const RECORDS_AT_ONCE: usize = 64;

/// What the keeper is asked to do between its rounds.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) stop: bool,
    /// Begin the next round now.
    pub(crate) soon: bool,
}

/// Starts the keeper. It ends after `stop`, with a last round.
pub(crate) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("ledger-keeper".to_owned()).spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    let mut reported = Condition::Sound;
    loop {
        let stop = wait(shared);
        round(shared, Instant::now());
        report(shared, &mut reported);
        if stop {
            return;
        }
    }
}

/// Until the next round is due; says whether it is the last one.
fn wait(shared: &Shared) -> bool {
    let mut orders = shared.orders.lock();
    if !orders.stop && !orders.soon {
        shared.wake.wait_for(&mut orders, shared.options.sync_every);
    }
    orders.soon = false;
    orders.stop
}

/// One round: force to the disk, write what waits, restate, free what is drained.
pub(crate) fn round(shared: &Shared, now: Instant) {
    let _alone = shared.keeping.lock();
    let outcome = force(shared).and_then(|()| recover(shared)).and_then(|()| {
        restate(shared, now);
        reuse(shared)
    });
    if let Err(error) = outcome {
        shared.state.lock().failure = Some(format!("cannot force the spool to the disk: {error}").into());
    }
}

fn force(shared: &Shared) -> io::Result<()> {
    let mut state = shared.state.lock();
    state.flush().map_err(|cause| io::Error::other(&*cause))?;
    let dirty = state.spool.take_dirty();
    drop(state);
    let outcome = dirty.iter().try_for_each(Dirty::settle);
    if outcome.is_err() {
        let mut state = shared.state.lock();
        for dirty in &dirty {
            state.spool.set_dirty(dirty.slot);
        }
    }
    outcome
}

/// Writes what waits in memory. If the spool was failing, tries first whether it still does.
fn recover(shared: &Shared) -> io::Result<()> {
    let mut state = shared.state.lock();
    if state.failure.is_some() {
        let probe = state.spool.active_dirty(None);
        drop(state);
        probe.map_or(Ok(()), |probe| probe.settle())?;
        state = shared.state.lock();
        state.failure = None;
    }
    while state.write_waiting(RECORDS_AT_ONCE) {
        MutexGuard::bump(&mut state);
    }
    Ok(())
}

fn restate(shared: &Shared, now: Instant) {
    let stale = shared.state.lock().stale(now, shared.options.checkpoint_after);
    for chunk in stale.chunks(RECORDS_AT_ONCE) {
        let mut state = shared.state.lock();
        for sequence in chunk {
            state.checkpoint(*sequence, now);
        }
        // A failure stops admission, and the next round looks whether it has passed.
        let _ = state.flush();
        MutexGuard::unlock_fair(state);
    }
}

/// Frees segments that are drained and hold no running request, once the disk knows it.
fn reuse(shared: &Shared) -> io::Result<()> {
    let state = shared.state.lock();
    let floor = state.spool.floor(state.released);
    let note = state.spool.active_dirty(Some(floor)).filter(|_| state.spool.would_free(floor));
    drop(state);
    let Some(note) = note else { return Ok(()) };
    // Requests were restated since the last time, and not only in the segment that takes the note.
    force(shared)?;
    note.settle()?;
    note.file.sync()?;
    shared.state.lock().spool.free_below(floor);
    Ok(())
}

/// Logs the condition of the books when it has changed.
fn report(shared: &Shared, reported: &mut Condition) {
    let state = shared.state.lock();
    let (condition, on_full, waiting, lost) = (state.condition(), state.on_full, state.waiting(), state.lost);
    drop(state);
    if condition == *reported {
        return;
    }
    match &condition {
        Condition::Sound => tracing::info!(waiting, lost, "the books are written again"),
        Condition::Exhausted => tracing::error!(?on_full, "the spool is full; it has room again when it is drained"),
        Condition::Failing(cause) => tracing::error!(?on_full, %cause, "the books cannot be written"),
    }
    *reported = condition;
}
