use std::fmt;
use std::sync::Arc;

use store::CopyPart;

/// Where it is told how far a backup or a restore is.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&Step<'_>) + Send + Sync>);

/// Some more rows.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What is done with them.
    pub doing: Doing,
    /// The part of the store.
    pub part: CopyPart,
    /// The table.
    pub table: &'a str,
    /// How many of its rows were done before.
    pub before: u64,
    /// How many are done now.
    pub rows: u64,
    /// How many there are, if that is known.
    pub of: Option<u64>,
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// They go from the store into a backup.
    Saving,
    /// They go from a backup into files beside the home.
    Unpacking,
    /// They go into the database.
    Filling,
}

// === impl Progress ===

impl Progress {
    /// Tells it to `told`.
    pub fn new(told: impl Fn(&Step<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    pub(super) fn tell(&self, step: &Step<'_>) {
        (self.0)(step);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
