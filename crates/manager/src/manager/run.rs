use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ledger::drain::{Drain, Sink as _};
use ledger::{Nanos, Recovered};
use store::Events;
use tokio_util::sync::CancellationToken;

use super::{GatewayBooks, Manager};
use crate::{health, reconciler};

/// Pause before a store that cannot be read at start is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the last events may take into the store at the end; the rest comes with the next start.
const LAST_DRAIN: Duration = Duration::from_secs(2);

/// The sums in the store do not tell yet what was spent.
#[derive(Debug, thiserror::Error)]
enum SpentError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Spool(#[from] ledger::SpentError),
}

// === impl Manager ===

impl Manager {
    /// Publishes snapshots, adopts and supervises engines, drains the gateway's books and watches the store, until
    /// cancelled. Call it once.
    pub async fn run(&self, cancel: CancellationToken) {
        self.0.running.store(true, Ordering::Relaxed);
        let books = self.0.books.lock().take();
        let Some(spent) = cancel.run_until_cancelled(self.spent(books.as_ref())).await else { return };
        let records = self.0.recorded.lock().take().unwrap_or_default();
        reconciler::adopt(&self.0.fleet, records, self.config().clock.now());
        self.stop_strays().await;
        self.await_adopted(&cancel).await;
        self.0.outlet.release(spent);
        self.publish();
        self.resume_verification();
        tokio::join!(
            self.reconcile(&cancel),
            self.trim_logs(&cancel),
            health::watch_store(&self.0.store, &self.0.health, &cancel),
            self.drain(books, &cancel),
        );
        self.0.running.store(false, Ordering::Relaxed);
    }

    /// Ends what [`run`](Self::run) left, once it has returned: stops the engines if told so (else the next manager
    /// adopts them), and closes the store.
    pub async fn shutdown(&self, stop_engines: bool) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let has_adopted = self.0.recorded.lock().is_none();
        if has_adopted && stop_engines {
            self.stop_all().await;
        }
        self.0.store.close().await;
    }

    /// What every key spent, as the store and what is not drained yet say. Tries until both can be read.
    async fn spent(&self, books: Option<&GatewayBooks>) -> HashMap<String, Nanos> {
        loop {
            match self.try_spent(books).await {
                Ok(spent) => return spent,
                Err(error) => {
                    tracing::error!(%error, "cannot read what was spent, so nothing is served yet; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn try_spent(&self, books: Option<&GatewayBooks>) -> Result<HashMap<String, Nanos>, SpentError> {
        let events = self.0.store.events();
        let stored = events.spend().await?;
        let mut spent: HashMap<_, _> = stored.into_iter().map(|(key, spend)| (key, spend.cost)).collect();
        if let Some(GatewayBooks { books, recovered }) = books {
            let position = events.position(books.gateway()).await?.unwrap_or_default();
            add(&mut spent, recovered, position)?;
        }
        Ok(spent)
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

    async fn drain(&self, books: Option<GatewayBooks>, cancel: &CancellationToken) {
        let mut drain = self.new_drain();
        if let Some(GatewayBooks { books, .. }) = books {
            drain = drain.on_commit(move |gateway, position| {
                if gateway == books.gateway() {
                    books.release(position);
                }
            });
        }
        let mut status = drain.status();
        tokio::join!(drain.run(cancel), async {
            while let Some(Ok(())) = cancel.run_until_cancelled(status.changed()).await {
                self.0.drain.send_replace(status.borrow_and_update().clone());
            }
        });
        let _ = tokio::time::timeout(LAST_DRAIN, drain.catch_up()).await;
    }
}

fn add(spent: &mut HashMap<String, Nanos>, recovered: &Recovered, from: ledger::Position) -> Result<(), SpentError> {
    for (key, cost) in recovered.spent_after(from)? {
        *spent.entry(key.to_string()).or_default() += cost;
    }
    Ok(())
}
