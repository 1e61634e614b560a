use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Timestamp};
use parking_lot::Mutex;
use snapshot::{SealedFile, Snapshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Pause before a snapshot that could not be kept is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps the last snapshot on disk, for a start without the manager.
#[derive(Debug)]
pub(crate) struct Keep {
    file: Arc<SealedFile>,
    unkept: Mutex<Option<Unkept>>,
}

/// A snapshot that could not be kept.
#[derive(Clone, Debug)]
struct Unkept {
    snapshot: Arc<Snapshot>,
    fault: String,
}

// === impl Keep ===

impl Keep {
    pub(crate) fn new(file: SealedFile) -> Self {
        Self { file: Arc::new(file), unkept: Mutex::new(None) }
    }

    /// Keeps `snapshot`; false where that fails: then the one before stays, and [`again`](Self::again) is to be called.
    pub(crate) async fn keep(&self, snapshot: &Arc<Snapshot>, now: Timestamp) -> bool {
        let (file, content) = (self.file.clone(), snapshot.clone());
        let fault = match spawn_blocking(move || file.keep(&content, now)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let mut unkept = self.unkept.lock();
        match (&*unkept, &fault) {
            (None, Some(fault)) => {
                tracing::error!(fault, "what is served cannot be kept for a start without the manager; trying again");
            }
            (Some(_), None) => tracing::info!("what is served is kept again"),
            _ => {}
        }
        *unkept = fault.map(|fault| Unkept { snapshot: snapshot.clone(), fault });
        unkept.is_none()
    }

    /// Tries again to keep what could not be, until it can; its epoch. Waits for ever where there is nothing to do.
    pub(crate) async fn again(&self, clock: &Clock) -> u64 {
        loop {
            let unkept = self.unkept.lock().clone();
            let Some(Unkept { snapshot, .. }) = unkept else { return std::future::pending().await };
            sleep(AGAIN).await;
            if self.keep(&snapshot, clock.now()).await {
                return snapshot.epoch;
            }
        }
    }

    /// What is wrong, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        self.unkept.lock().as_ref().map(|unkept| format!("snapshot: it cannot be kept ({})", unkept.fault))
    }
}
