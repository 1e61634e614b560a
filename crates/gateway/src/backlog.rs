use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ambient::Timestamp;
use ledger::{GatewayId, Nanos, Position, Recovered, SpentError};
use snapshot::{Snapshot, Spent};
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
    /// What they hold there.
    costs: Costs,
}

/// Costs by key id, model and the second in which the requests ended: a budget's period begins with a whole second.
type Costs = HashMap<(Arc<str>, Arc<str>, i64), Nanos>;

// === impl Backlog ===

impl Backlog {
    pub(crate) fn new(gateway: GatewayId, recovered: Recovered) -> Self {
        Self { gateway, recovered: Arc::new(recovered), added: None, costs: Costs::new() }
    }

    /// `snapshot` with what it does not include. Tries until the books can be read: nothing is served before.
    pub(crate) async fn complete(&mut self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        let from = snapshot.booked(self.gateway);
        if self.added != Some(from) {
            if from.segment.max(1) < self.recovered.oldest.segment {
                let oldest = self.recovered.oldest;
                tracing::error!(%from, %oldest, "the sums of what was spent are older than the books: some of it is forgotten");
            }
            self.costs = if from >= self.recovered.end { Costs::new() } else { self.add_up(from).await };
            self.added = Some(from);
        }
        if self.costs.is_empty() { snapshot.clone() } else { Arc::new(with(Snapshot::clone(snapshot), &self.costs)) }
    }

    async fn add_up(&self, from: Position) -> Costs {
        loop {
            let recovered = self.recovered.clone();
            let costs = spawn_blocking(move || {
                let mut costs = Costs::new();
                recovered.visit(from, |event| {
                    let second = event.closed_at.as_secs();
                    *costs.entry((event.open.key, event.open.model, second)).or_default() += event.cost;
                })?;
                Ok(costs)
            });
            match costs.await {
                Ok(Ok(costs)) => return costs,
                // The sums are older than the books: what lies between them is gone, and waiting does not bring it back.
                Ok(Err(SpentError::Reused(segment))) => {
                    tracing::error!(
                        segment,
                        "what was spent cannot be told exactly: the sums are older than the books"
                    );
                    return Costs::new();
                }
                Ok(Err(error)) => tracing::error!(%error, "cannot read what was spent; trying again"),
                Err(error) => tracing::error!(%error, "cannot read what was spent; trying again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Adds costs to what everything in `snapshot` had spent.
fn with(mut snapshot: Snapshot, costs: &Costs) -> Snapshot {
    let mut keys: HashMap<_, _> = snapshot.keys.iter_mut().map(|key| (key.id.clone(), key)).collect();
    let mut teams: HashMap<_, _> = snapshot.teams.iter_mut().map(|team| (team.id.clone(), team)).collect();
    let mut models: HashMap<_, _> = snapshot.models.iter_mut().map(|model| (model.name.clone(), model)).collect();
    for ((key, model, second), cost) in costs {
        let key = keys.get_mut(key);
        let team = key.as_ref().and_then(|key| teams.get_mut(key.team.as_ref()?));
        let spenders = [
            team.map(|team| &mut team.spent),
            key.map(|key| &mut key.spent),
            models.get_mut(model).map(|model| &mut model.spent),
            Some(&mut snapshot.spent),
        ];
        for spent in spenders.into_iter().flatten() {
            add(spent, *cost, Timestamp::from_micros(second.saturating_mul(1_000_000)));
        }
    }
    snapshot
}

fn add(spent: &mut Spent, cost: Nanos, at: Timestamp) {
    spent.total += cost;
    if let Some(before) = spent.before.as_mut().filter(|before| at < before.run) {
        before.nanos += cost;
    }
}
