use std::fmt;
use std::sync::Arc;

/// Where a test lets the process die: at once, as `kill -9` does, and nowhere unless it says so.
#[derive(Clone, Debug, Default)]
pub struct FaultPoints(Option<Arc<str>>);

/// A place at which something is done and something else is not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultPoint {
    /// Secrets that a first start makes are taken, and nobody was told.
    SecretsMade,
    /// What is to be applied is read and fits, its secrets are sealed, and nothing is compared.
    ApplyValidated,
    /// An apply is decided on, and nothing is written.
    ApplyProposed,
    /// A step of making a proposal the next revision.
    Commit(Way, CommitStep),
    /// The job that verifies it runs, and nobody was told.
    ApplyFollowed,
    /// An atomic apply is found to work, and that is not noted.
    Verified,
    /// That is noted.
    VerifiedNoted,
    /// An atomic apply is found not to work, and nothing is done about it.
    RollBackDecided,
    /// An edit is checked, and not kept.
    StageChecked,
    /// An edit is kept, and nobody was told.
    StageKept,
    /// Edits were given up, and nobody was told.
    Discarded,
    /// A restored home is in its place, and its database is empty.
    RestorePlaced,
    /// A restored home and its database are there, and nobody was told.
    RestoreFilled,
}

/// What a revision is committed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Apply,
    RollBack,
}

/// How far a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitStep {
    /// Some of what is generated from the new state lies under other names.
    HalfWritten,
    /// All of it does, and nothing is committed.
    Written,
    /// The transaction holds everything, and is not committed.
    InTransaction,
    /// The revision is committed, and nobody knows.
    Committed,
    /// Some of what is generated is in its place.
    HalfPlaced,
    /// All of it is, and the gateway serves the old state.
    Placed,
    /// The gateway serves the new state, and nobody was told.
    Published,
}

// === impl FaultPoints ===

impl FaultPoints {
    /// Dies at the point of this name.
    pub fn at(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// Comes by a point.
    pub(crate) fn reach(&self, point: FaultPoint) {
        let Some(name) = &self.0 else { return };
        if point.to_string() == **name {
            tracing::warn!(%point, "dying here, as a test wished");
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

// === impl FaultPoint ===

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit(way, step) => return write!(f, "{}-{}", way.as_str(), step.as_str()),
            Self::SecretsMade => "secrets-made",
            Self::ApplyValidated => "apply-validated",
            Self::ApplyProposed => "apply-proposed",
            Self::ApplyFollowed => "apply-followed",
            Self::Verified => "verified",
            Self::VerifiedNoted => "verified-noted",
            Self::RollBackDecided => "roll-back-decided",
            Self::StageChecked => "stage-checked",
            Self::StageKept => "stage-kept",
            Self::Discarded => "discarded",
            Self::RestorePlaced => "restore-placed",
            Self::RestoreFilled => "restore-filled",
        })
    }
}

// === impl Way ===

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::RollBack => "roll-back",
        }
    }
}

// === impl CommitStep ===

impl CommitStep {
    const fn as_str(self) -> &'static str {
        match self {
            Self::HalfWritten => "half-written",
            Self::Written => "written",
            Self::InTransaction => "in-transaction",
            Self::Committed => "committed",
            Self::HalfPlaced => "half-placed",
            Self::Placed => "placed",
            Self::Published => "published",
        }
    }
}
