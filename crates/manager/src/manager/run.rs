use std::sync::atomic::Ordering;
use std::time::Duration;

use ledger::drain::Drain;
use store::Events;
use tokio_util::sync::CancellationToken;

use super::Manager;
use crate::{health, reconciler};

/// How long work that has begun (an engine that drains and stops, a download, a build) may take at the end. A service manager
/// kills after 90 seconds, as systemd is set.
const LAST_WORK: Duration = Duration::from_secs(40);
/// How long all engines may take to stop at the end, where they are to. What does not stop (Docker is away) is adopted by the
/// next manager.
const LAST_STOPS: Duration = Duration::from_secs(40);
/// How long the last events may take into the store at the end; the rest comes with the next start.
const LAST_DRAIN: Duration = Duration::from_secs(2);

// === impl Manager ===

impl Manager {
    /// Publishes snapshots, adopts and supervises engines, drains the gateway's books and watches the store, until
    /// cancelled. Call it once.
    pub async fn run(&self, cancel: CancellationToken) {
        self.0.running.store(true, Ordering::Relaxed);
        let Some(spent) = cancel.run_until_cancelled(self.spent()).await else { return };
        let records = self.0.recorded.lock().take().unwrap_or_default();
        reconciler::adopt(&self.0.fleet, records, self.config().clock.now());
        self.clear_ended_processes().await;
        self.copy_adopted_logs();
        self.stop_strays().await;
        self.await_adopted(&cancel).await;
        self.0.outlet.release(spent);
        self.publish();
        self.resume_verification();
        tokio::join!(
            Box::pin(self.reconcile(&cancel)),
            Box::pin(self.watch_containers(&cancel)),
            self.0.gpus.run(&cancel),
            self.trim_logs(&cancel),
            self.reread_after_outages(&cancel),
            health::watch_store(&self.0.store, &self.0.health, &cancel),
            self.drain(&cancel),
            self.tell_events(&cancel),
            self.publish_booked(&cancel),
            self.keep_house(&cancel),
        );
        self.0.running.store(false, Ordering::Relaxed);
    }

    /// Ends what [`run`](Self::run) left, once it has returned: stops the engines if told so (else the next manager
    /// adopts them), and closes the store.
    pub async fn shutdown(&self, stop_engines: bool) {
        self.0.closing.cancel();
        self.0.stop.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(LAST_WORK, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.0.tasks.len(), "work that had begun is left unfinished");
        }
        let has_adopted = self.0.recorded.lock().is_none();
        if has_adopted && stop_engines && tokio::time::timeout(LAST_STOPS, self.stop_all()).await.is_err() {
            let left: Vec<_> = self.0.fleet.spec_hashes().into_keys().collect();
            tracing::error!(?left, "engines could not be stopped and may run on; the next start adopts them");
        }
        self.0.store.close().await;
    }

    /// Takes in what a gateway left in its books, for a one-shot command: it shows all that was used.
    pub(super) async fn drain_leftovers(&self) {
        if let Err(error) = self.new_drain().catch_up().await {
            tracing::warn!(%error, "what the gateway used last is not in the store yet");
        }
    }

    fn new_drain(&self) -> Drain<Events> {
        Drain::new(&self.config().home.gateway_spool(), self.0.store.events(), self.config().clock.clone())
    }

    async fn drain(&self, cancel: &CancellationToken) {
        let mut drain = self.new_drain();
        let mut status = drain.status();
        tokio::join!(drain.run(cancel), async {
            while let Some(Ok(())) = cancel.run_until_cancelled(status.changed()).await {
                self.0.drain.send_replace(status.borrow_and_update().clone());
            }
        });
        let _ = tokio::time::timeout(LAST_DRAIN, drain.catch_up()).await;
    }
}
