//! Identical requests at the same time: the first asks, the others wait for its answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Digest, Kept};

type Waiting = HashMap<Digest, watch::Receiver<Option<Arc<Kept>>>>;

/// Questions that are being asked; at most as many as there are requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<Waiting>>);

/// Who asks, and who waits.
#[derive(Debug)]
pub(super) enum Joined {
    Leads(Lead),
    Follows(Follow),
}

/// Asks for all. Dropped without an answer, those who wait hear that there is none.
#[derive(Debug)]
pub(super) struct Lead {
    running: Running,
    digest: Digest,
    answer: watch::Sender<Option<Arc<Kept>>>,
}

/// Waits for another's answer.
#[derive(Debug)]
pub(super) struct Follow(watch::Receiver<Option<Arc<Kept>>>);

// === impl Running ===

impl Running {
    /// Leads, unless somebody does already.
    pub(super) fn join(&self, digest: Digest) -> Joined {
        match self.0.lock().entry(digest) {
            Entry::Occupied(running) => Joined::Follows(Follow(running.get().clone())),
            Entry::Vacant(place) => {
                let (answer, waiting) = watch::channel(None);
                place.insert(waiting);
                Joined::Leads(Lead { running: self.clone(), digest, answer })
            }
        }
    }
}

// === impl Lead ===

impl Lead {
    pub(super) fn tell(self, kept: &Arc<Kept>) {
        self.answer.send_replace(Some(kept.clone()));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.digest);
    }
}

// === impl Follow ===

impl Follow {
    /// The answer; none if whoever asked got none.
    pub(super) async fn answer(mut self) -> Option<Arc<Kept>> {
        let told = self.0.wait_for(Option::is_some).await.ok()?;
        told.clone()
    }
}
