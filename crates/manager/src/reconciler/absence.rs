//! Engines that ended while no manager looked: with a reboot all of them. That is no failure of theirs. They are cleared away
//! together, before anything is started, so that the next pass starts them in the order of the document.

use std::time::Duration;

use futures_util::future::join_all;
use runtime::{Handle, Liveness};

use super::replica::Phase;
use crate::Manager;

/// How long what is left of them may take to be cleared away; what takes longer is an engine that failed.
const LONGEST: Duration = Duration::from_secs(20);

// === impl Manager ===

impl Manager {
    /// Clears away the processes that ended before this manager looked for the first time. Call it right after
    /// [`adopt`](super::adopt).
    pub(crate) async fn clear_ended_processes(&self) {
        let mut ended = Vec::new();
        for (id, handle) in self.adopted() {
            if let Some(Liveness::Exited { .. }) = self.runtimes().observe(&handle).await {
                ended.push(id);
            }
        }
        self.clear_away(&ended).await;
    }

    /// Clears away what ran as these replicas and has ended.
    pub(super) async fn clear_away(&self, ids: &[String]) {
        let cleared = join_all(ids.iter().map(|id| self.clear(id))).await;
        let now = self.config().clock.now();
        // At once: a pass that saw some of them only would start those first.
        self.inner().fleet.update_all(|id, replica| {
            let Some(position) = ids.iter().position(|ended| ended == id) else { return };
            if cleared[position] {
                (replica.process, replica.ended, replica.adopted) = (None, None, false);
                replica.phase = Phase::Pending;
            } else {
                replica.phase = Phase::Starting { since: now };
            }
        });
        if !ids.is_empty() {
            tracing::info!(
                engines = ids.len(),
                "engines ended while no manager looked; those that should run are started again"
            );
            self.inner().nudge.notify_one();
        }
    }

    /// Whether nothing is left of it.
    async fn clear(&self, id: &str) -> bool {
        let handle = self.inner().fleet.update_known(id, |replica| {
            replica.phase = Phase::Stopping { failure: None, drains: false };
            replica.process.as_ref().map(|process| process.handle.clone())
        });
        let Some(Some(handle)) = handle else { return false };
        let stopped = tokio::time::timeout(LONGEST, self.runtimes().stop(&handle, Duration::ZERO)).await;
        let is_gone = matches!(stopped, Ok(Ok(())));
        if is_gone {
            self.forget(id).await;
        }
        is_gone
    }

    fn adopted(&self) -> Vec<(String, Handle)> {
        self.inner().fleet.with(|replicas| {
            let adopted = replicas.iter().filter(|(_, replica)| replica.adopted);
            adopted.filter_map(|(id, replica)| Some((id.clone(), replica.process.as_ref()?.handle.clone()))).collect()
        })
    }
}
