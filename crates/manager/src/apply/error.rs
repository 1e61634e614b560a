use std::fmt;

use ambient::Timestamp;
use spec::{Faults, ItemId, ParseError};

use super::ArtifactError;
use super::references::Referred;
use super::turn::Busy;
use crate::credentials::TakeInError;
use crate::edit_lock::Locked;
use crate::history::HistoryError;
use crate::staged::SelectionError;
use crate::vault::SealError;

/// Nothing was applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("base_dir must be an absolute path, but is `{0}`")]
    BaseDir(String),
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error("what is deleted is still in use")]
    Referred(Vec<Referred>),
    #[error(transparent)]
    Locked(#[from] Locked),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(
        "an atomic apply by {by} is being verified (job {job}) until {until} at the latest; wait until it has ended"
    )]
    Verifying {
        job: String,
        /// Who applied it.
        by: String,
        until: Timestamp,
    },
    #[error(
        "you decided on revision {seen}, but revision {now} applies since {at}, by {author}; look at it, then decide"
    )]
    Moved {
        /// The revision on which was decided.
        seen: u64,
        now: u64,
        author: String,
        at: Timestamp,
    },
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(
        "what applies has changed since these items were edited; edit them again, discard them, or say `overwrite` (`--overwrite`)"
    )]
    Stale(Vec<OutdatedItem>),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// An item that was edited by two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutdatedItem {
    pub(crate) id: ItemId,
    /// Who staged it.
    pub(crate) author: String,
    /// Who changed what applies, in which revision and when; none if that is long ago.
    pub(crate) changed: Option<(u64, String, Timestamp)>,
}

// === impl ApplyError ===

impl From<TakeInError> for ApplyError {
    fn from(error: TakeInError) -> Self {
        match error {
            TakeInError::Faults(faults) => faults.into(),
            TakeInError::Seal(error) => error.into(),
        }
    }
}

// === impl OutdatedItem ===

impl fmt::Display for OutdatedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "staged by {}; what applies was changed since", self.author)?;
        match &self.changed {
            Some((revision, author, at)) => write!(f, ": revision {revision} by {author} at {at}"),
            None => Ok(()),
        }
    }
}
