use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Weak;

use ambient::Timestamp;
use hub::{Progress, Pulled};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use utoipa::ToSchema;

/// Pulls that are remembered; older ones that have ended are forgotten.
const REMEMBERED: usize = 50;

/// The pulls of this manager since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    made: u64,
    pulls: VecDeque<Pull>,
}

/// A model on its way into the cache.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) revision: String,
    /// The cache that it goes into.
    pub(crate) cache: PathBuf,
    pub(crate) actor: String,
    pub(crate) began: Timestamp,
    pub(crate) state: PullState,
    /// Why it failed.
    pub(crate) message: Option<String>,
    pub(crate) pulled: Option<Pulled>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) cancel: CancellationToken,
    /// Engines that wait for it hold this; none where a person began it. It ends when nobody holds it any more.
    pub(crate) held: Option<Weak<DropGuard>>,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PullState {
    /// Files come.
    Running,
    /// All is there.
    Succeeded,
    /// It ended early; what came is kept.
    Failed,
    /// Somebody ended it; what came is kept.
    Cancelled,
}

// === impl Pulls ===

impl Pulls {
    /// Remembers a pull under a new id, unless `refuse` has something against it.
    pub(crate) fn add<E>(
        &self,
        mut pull: Pull,
        refuse: impl FnOnce(&[&Pull], &Pull) -> Result<(), E>,
    ) -> Result<String, E> {
        let mut inner = self.0.lock();
        let running: Vec<_> = inner.pulls.iter().filter(|pull| pull.state == PullState::Running).collect();
        refuse(&running, &pull)?;
        inner.made += 1;
        pull.id = format!("pull-{}", inner.made);
        let id = pull.id.clone();
        inner.pulls.push_back(pull);
        while inner.pulls.len() > REMEMBERED {
            let ended = inner.pulls.iter().position(|pull| pull.state != PullState::Running);
            let Some(ended) = ended else { break };
            inner.pulls.remove(ended);
        }
        Ok(id)
    }

    /// All that are remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<Pull> {
        self.0.lock().pulls.iter().cloned().collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Pull> {
        self.0.lock().pulls.iter().find(|pull| pull.id == id).cloned()
    }

    /// Notes how a pull ended.
    pub(crate) fn end(&self, id: &str, state: PullState, message: Option<String>, pulled: Option<Pulled>) {
        if let Some(pull) = self.0.lock().pulls.iter_mut().find(|pull| pull.id == id) {
            tracing::info!(pull = id, model = pull.model, revision = pull.revision, ?state, message, "pull ended");
            (pull.state, pull.message, pull.pulled) = (state, message, pulled);
        }
    }
}

// === impl Pull ===

impl Pull {
    /// How much of it is there, in percent; 0 before that is known.
    pub(crate) fn percent(&self) -> u64 {
        let progress = self.progress.borrow();
        (progress.bytes_done.min(progress.bytes).saturating_mul(100)).checked_div(progress.bytes).unwrap_or(0)
    }
}
