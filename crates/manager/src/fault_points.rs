use std::sync::Arc;

/// Where a test lets the process die: at once, as `kill -9` does, and nowhere unless it says so.
#[derive(Clone, Debug, Default)]
pub struct FaultPoints(Option<Arc<str>>);

/// A place at which something is done and something else is not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultPoint {
    /// An apply is decided on, and nothing is written.
    ApplyProposed,
    /// What is generated from the new state lies under other names, and nothing is committed.
    ApplyWritten,
    /// The revision is committed, and nobody knows.
    ApplyCommitted,
    /// What is generated is in its place, and the gateway serves the old state.
    ApplyPlaced,
    /// The gateway serves the new state, and nobody was told.
    ApplyPublished,
    /// An edit is checked, and not kept.
    StageChecked,
    /// An edit is kept, and nobody was told.
    StageKept,
    /// Edits were given up, and nobody was told.
    Discarded,
}

// === impl FaultPoints ===

impl FaultPoints {
    /// Dies at the point of this name.
    pub fn at(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// Comes by a point.
    pub(crate) fn reach(&self, point: FaultPoint) {
        if self.0.as_deref() == Some(point.as_str()) {
            tracing::warn!(point = point.as_str(), "dying here, as a test wished");
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

// === impl FaultPoint ===

impl FaultPoint {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ApplyProposed => "apply-proposed",
            Self::ApplyWritten => "apply-written",
            Self::ApplyCommitted => "apply-committed",
            Self::ApplyPlaced => "apply-placed",
            Self::ApplyPublished => "apply-published",
            Self::StageChecked => "stage-checked",
            Self::StageKept => "stage-kept",
            Self::Discarded => "discarded",
        }
    }
}
