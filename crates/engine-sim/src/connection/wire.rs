use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The handle by which a request's handler tells its connection how to write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Mode>>);

/// How a connection writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// As fast as it goes.
    #[default]
    Plain,
    /// One byte at a time.
    Drip(Duration),
    /// The status line, a pause, then as fast as it goes.
    Pause(Duration),
    /// Half of the next write, then nothing: the connection is closed.
    CutNext,
    /// Nothing more: the connection is closed.
    Closed,
}

// === impl Wire ===

impl Wire {
    /// Back to normal, at the start of each request.
    pub(crate) fn reset(&self) {
        self.set(Mode::Plain);
    }

    /// Closes the connection at its next write.
    pub(crate) fn close(&self) {
        self.set(Mode::Closed);
    }

    /// Closes the connection in the middle of its next write.
    pub(crate) fn cut_next(&self) {
        self.set(Mode::CutNext);
    }

    /// Writes one byte every `gap` from now on.
    pub(crate) fn drip(&self, gap: Duration) {
        self.set(Mode::Drip(gap));
    }

    /// Writes the status line, then pauses once.
    pub(crate) fn pause_after_status_line(&self, pause: Duration) {
        self.set(Mode::Pause(pause));
    }

    pub(super) fn mode(&self) -> Mode {
        *self.0.lock()
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.0.lock() = mode;
    }
}
