use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::{GatewayId, Nanos, Position, Recovered, SpentError};
use snapshot::Snapshot;
use tokio::task::spawn_blocking;

/// Pause before books that cannot be read are tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What this gateway's books held when it started and the sums in a snapshot do not include: budgets begin with both.
#[derive(Debug)]
pub(crate) struct Backlog {
    gateway: GatewayId,
    recovered: Arc<Recovered>,
    /// Behind which the books were added up last.
    added: Option<Position>,
    /// What they hold there, by key id.
    spent: HashMap<Arc<str>, Nanos>,
}

// === impl Backlog ===

impl Backlog {
    pub(crate) fn new(gateway: GatewayId, recovered: Recovered) -> Self {
        Self { gateway, recovered: Arc::new(recovered), added: None, spent: HashMap::new() }
    }

    /// What `snapshot` does not include, by key id. Tries until the books can be read: nothing is served before.
    pub(crate) async fn behind(&mut self, snapshot: &Snapshot) -> &HashMap<Arc<str>, Nanos> {
        let from = snapshot.booked(self.gateway);
        if self.added != Some(from) {
            if from.segment.max(1) < self.recovered.oldest.segment {
                let oldest = self.recovered.oldest;
                tracing::error!(%from, %oldest, "the sums of what was spent are older than the books: some of it is forgotten");
            }
            self.spent = if from >= self.recovered.end { HashMap::new() } else { self.add_up(from).await };
            self.added = Some(from);
        }
        &self.spent
    }

    async fn add_up(&self, from: Position) -> HashMap<Arc<str>, Nanos> {
        loop {
            let recovered = self.recovered.clone();
            let spent = spawn_blocking(move || recovered.spent_after(from)).await;
            match spent {
                Ok(Ok(spent)) => return spent,
                // The sums are older than the books: what lies between them is gone, and waiting does not bring it back.
                Ok(Err(SpentError::Reused(segment))) => {
                    tracing::error!(
                        segment,
                        "what was spent cannot be told exactly: the sums are older than the books"
                    );
                    return HashMap::new();
                }
                Ok(Err(error)) => tracing::error!(%error, "cannot read what was spent; trying again"),
                Err(error) => tracing::error!(%error, "cannot read what was spent; trying again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
