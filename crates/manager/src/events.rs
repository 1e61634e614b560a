//! What happens, told to whoever listens: a bounded buffer that readers follow at their own pace. Who is too slow is told
//! what was missed; nobody waits for a reader.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

mod observe;

/// Events that are kept; a reader that is further behind has missed some.
const KEPT: usize = 1_000;
/// Readers at once.
const READERS: usize = 64;

/// The events of this manager since it was opened.
#[derive(Debug)]
pub(crate) struct Events {
    ring: Mutex<VecDeque<Arc<Event>>>,
    /// Number of the newest event; the first is 1.
    newest: watch::Sender<u64>,
    readers: Arc<Semaphore>,
    /// Asks for a look at what was audited.
    nudge: Notify,
    /// The newest row of the audit when the manager was opened: what was done before is no news.
    audited: u64,
}

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Counts from 1.
    pub(crate) number: u64,
    /// `change`, `image`, `job`, `pull`, `replica` or `restore`.
    pub(crate) kind: &'static str,
    /// What exactly, as JSON.
    pub(crate) data: String,
}

/// A place among the readers.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Tells that there is something new.
    pub(crate) newest: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

// === impl Events ===

impl Events {
    pub(crate) fn new(audited: u64) -> Self {
        Self {
            audited,
            ring: Mutex::new(VecDeque::new()),
            newest: watch::Sender::new(0),
            readers: Arc::new(Semaphore::new(READERS)),
            nudge: Notify::new(),
        }
    }

    /// Tells everybody.
    pub(crate) fn tell(&self, kind: &'static str, data: &Value) {
        let mut ring = self.ring.lock();
        let number = *self.newest.borrow() + 1;
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::new(Event { number, kind, data: data.to_string() }));
        self.newest.send_replace(number);
    }

    /// What came after event `number`, and how many of these are not kept any more.
    pub(crate) fn after(&self, number: u64) -> (u64, Vec<Arc<Event>>) {
        let ring = self.ring.lock();
        let first = ring.front().map_or(number + 1, |event| event.number);
        let missed = first.saturating_sub(number.saturating_add(1));
        (missed, ring.iter().filter(|event| event.number > number).cloned().collect())
    }

    /// A place among the readers, if there is one.
    pub(crate) fn reader(&self) -> Option<Reader> {
        let place = self.readers.clone().try_acquire_owned().ok()?;
        Some(Reader { newest: self.newest.subscribe(), _place: place })
    }

    /// Something was done that the audit knows of.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reader_goes_on_where_it_was_and_is_told_what_it_missed() {
        let events = Events::new(0);
        assert_eq!(events.after(0), (0, Vec::new()));
        (0..KEPT + 10).for_each(|n| events.tell("change", &json!({ "n": n })));
        let (missed, rest) = events.after(0);
        assert_eq!((missed, rest.len(), rest[0].number), (10, KEPT, 11));
        let (missed, rest) = events.after(1_005);
        assert_eq!((missed, rest.len(), rest[0].number), (0, 5, 1_006));
        assert_eq!(events.after(1_010), (0, Vec::new()));
    }

    #[test]
    fn there_are_so_many_places() {
        let events = Events::new(0);
        let readers: Vec<_> = (0..READERS).map(|_| events.reader().unwrap()).collect();
        assert!(events.reader().is_none());
        drop(readers);
        assert!(events.reader().is_some());
    }
}
