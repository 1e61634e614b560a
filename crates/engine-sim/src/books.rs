use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

/// Requests remembered; older ones are forgotten.
const CAPACITY: usize = 200_000;

/// What was asked and what was sent, for tests to compare with.
#[derive(Debug, Default)]
pub(crate) struct Books {
    ring: Mutex<VecDeque<Arc<Record>>>,
    total: AtomicU64,
    running: AtomicU64,
    cancelled: AtomicU64,
}

/// One request, open until it is finished or dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    books: Arc<Books>,
    record: Arc<Record>,
}

/// One request as `GET /sim/requests` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    request_id: Option<String>,
    path: String,
    stream: bool,
    prompt_tokens: u32,
    completion_tokens_sent: u32,
    finished: bool,
    cancelled: bool,
    order: u64,
}

/// The counts that `GET /sim/state` shows.
#[derive(Debug, Serialize)]
pub(crate) struct State {
    running: u64,
    total: u64,
    cancelled: u64,
}

#[derive(Debug)]
struct Record {
    request_id: Option<String>,
    path: String,
    order: u64,
    stream: AtomicU8,
    prompt_tokens: AtomicU32,
    sent: AtomicU32,
    end: AtomicU8,
}

/// Not yet read or checked.
const OPEN: u8 = 0;
/// Being answered.
const WORKING: u8 = 1;
/// The whole answer was sent.
const FINISHED: u8 = 2;
/// The client left before the end.
const CANCELLED: u8 = 3;
/// The engine refused it, or a fault ended it.
const FAILED: u8 = 4;

// === impl Books ===

impl Books {
    /// Opens an entry for a request to `path`.
    pub(crate) fn open(self: &Arc<Self>, request_id: Option<String>, path: String) -> Entry {
        let mut ring = self.ring.lock();
        let order = self.total.fetch_add(1, Ordering::Relaxed);
        let record = Arc::new(Record {
            request_id,
            path,
            order,
            stream: AtomicU8::new(0),
            prompt_tokens: AtomicU32::new(0),
            sent: AtomicU32::new(0),
            end: AtomicU8::new(OPEN),
        });
        if ring.len() == CAPACITY {
            ring.pop_front();
        }
        ring.push_back(record.clone());
        self.running.fetch_add(1, Ordering::Relaxed);
        Entry { books: self.clone(), record }
    }

    /// All remembered requests in the order in which they came.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.ring.lock().iter().map(|record| record.line()).collect()
    }

    /// The counts.
    pub(crate) fn state(&self) -> State {
        State {
            running: self.running(),
            total: self.total.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// Requests not yet finished or cancelled.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Forgets all requests but those that run; the counts of the past start at 0 again.
    pub(crate) fn clear(&self) {
        self.ring.lock().retain(|record| record.end.load(Ordering::Relaxed) < FINISHED);
        self.cancelled.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
    }
}

// === impl Entry ===

impl Entry {
    /// The request's place in the order of all.
    pub(crate) fn order(&self) -> u64 {
        self.record.order
    }

    /// Notes what the request asked for: from now on, going away is a cancellation.
    pub(crate) fn asked(&self, stream: bool, prompt_tokens: u32) {
        self.record.end.store(WORKING, Ordering::Relaxed);
        self.record.stream.store(u8::from(stream), Ordering::Relaxed);
        self.record.prompt_tokens.store(prompt_tokens, Ordering::Relaxed);
    }

    /// Notes that `tokens` more were sent.
    pub(crate) fn sent(&self, tokens: u32) {
        self.record.sent.fetch_add(tokens, Ordering::Relaxed);
    }

    /// Notes that the whole answer was sent.
    pub(crate) fn finish(&self) {
        self.end(FINISHED);
    }

    /// Notes that the engine's own failure ended the request.
    pub(crate) fn fail(&self) {
        self.end(FAILED);
    }

    fn end(&self, end: u8) {
        let open = |now: u8| (now < FINISHED).then_some(end);
        if self.record.end.fetch_update(Ordering::Relaxed, Ordering::Relaxed, open).is_ok() {
            self.books.running.fetch_sub(1, Ordering::Relaxed);
            if end == CANCELLED {
                self.books.cancelled.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Entry {
    /// An entry that goes away in the middle of its answer was cancelled; one that never got so far was refused.
    fn drop(&mut self) {
        self.end(if self.record.end.load(Ordering::Relaxed) == OPEN { FAILED } else { CANCELLED });
    }
}

// === impl Record ===

impl Record {
    fn line(&self) -> Line {
        let end = self.end.load(Ordering::Relaxed);
        Line {
            request_id: self.request_id.clone(),
            path: self.path.clone(),
            stream: self.stream.load(Ordering::Relaxed) == 1,
            prompt_tokens: self.prompt_tokens.load(Ordering::Relaxed),
            completion_tokens_sent: self.sent.load(Ordering::Relaxed),
            finished: end == FINISHED,
            cancelled: end == CANCELLED,
            order: self.order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_entry_is_cancelled_and_a_finished_one_is_not() {
        let books = Arc::new(Books::default());
        let first = books.open(Some("a".to_owned()), "/v1/x".to_owned());
        let second = books.open(None, "/v1/x".to_owned());
        let refused = books.open(None, "/v1/x".to_owned());
        second.asked(false, 1);
        first.asked(true, 7);
        first.sent(2);
        first.sent(3);
        assert_eq!(books.running(), 3);
        first.finish();
        drop(first);
        drop(second);
        drop(refused);
        let lines = books.lines();
        assert_eq!((lines[0].finished, lines[0].cancelled, lines[0].completion_tokens_sent), (true, false, 5));
        assert_eq!((lines[1].finished, lines[1].cancelled, lines[1].order), (false, true, 1));
        assert_eq!((lines[2].finished, lines[2].cancelled), (false, false));
        let state = books.state();
        assert_eq!((state.running, state.total, state.cancelled), (0, 3, 1));
    }

    #[test]
    fn the_ring_is_bounded() {
        let books = Arc::new(Books::default());
        for _ in 0..=CAPACITY {
            books.open(None, String::new()).finish();
        }
        assert_eq!(books.lines().len(), CAPACITY);
        assert_eq!(books.lines()[0].order, 1);
    }
}
