use std::path::PathBuf;
use std::time::Duration;

use spec::{Change, Format, Warning};

use super::Step;
use crate::Actor;
use crate::edit_lock::{EditLock, Locked};
use crate::staged::Selection;

/// What is to be applied, and how.
#[derive(Clone, Debug)]
pub(crate) struct ApplyRequest {
    pub(crate) source: Source,
    /// Why, in the author's words; empty where nothing is said.
    pub(crate) message: String,
    /// The revision on which the author decided; any unless given.
    pub(crate) expected: Option<u64>,
    /// Only say what would happen.
    pub(crate) dry_run: bool,
    /// Go back if not everything gets ready in time.
    pub(crate) atomic: bool,
    /// How long to wait for everything to be ready; the longest start time-out unless given.
    pub(crate) timeout: Option<Duration>,
    pub(crate) actor: Actor,
}

/// Where the new state comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A whole document. What is staged stays staged.
    Document {
        text: String,
        format: Format,
        /// Folder that relative paths start from; the home unless given.
        base_dir: Option<PathBuf>,
    },
    /// What applies, with these staged edits.
    Staged {
        selection: Selection,
        /// Whether edits go in that started from something else than what applies now.
        overwrite: bool,
    },
    /// What applied as this revision; 0 is the empty state before the first.
    Revision(u64),
}

/// What was applied, or would be.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    /// Number of the revision that applies now.
    pub(crate) revision: u64,
    /// Whether it is a new one (in a dry run: would be).
    pub(crate) changed: bool,
    pub(crate) changes: Vec<Change>,
    pub(crate) plan: Vec<Step>,
    pub(crate) warnings: Vec<Warning>,
    /// Job that verifies it; none where nothing runs.
    pub(crate) job: Option<String>,
}

// === impl ApplyRequest ===

impl ApplyRequest {
    /// Of what is to be looked at only.
    pub(crate) fn dry(source: Source, actor: Actor) -> Self {
        let message = String::new();
        Self { source, message, expected: None, dry_run: true, atomic: false, timeout: None, actor }
    }

    /// Where editing is locked, only whole documents come in; looking is free.
    pub(super) fn check_lock(&self, lock: &EditLock) -> Result<(), Locked> {
        match self.source {
            Source::Document { .. } => Ok(()),
            Source::Staged { .. } | Source::Revision(_) if self.dry_run => Ok(()),
            Source::Staged { .. } | Source::Revision(_) => lock.check(),
        }
    }
}
