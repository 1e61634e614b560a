use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Timestamp;
use runtime::Listener;
use store::ReplicaRow;
use tokio_util::sync::CancellationToken;

use super::fleet::Fleet;
use super::replica::{Phase, Process, Replica};
use crate::Manager;

/// How long the first health checks of adopted engines are waited for.
const FIRST_CHECKS: Duration = Duration::from_secs(2);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(20);

// === impl Manager ===

impl Manager {
    /// Gives adopted engines a moment for their first health check, so that the first snapshot holds those that serve.
    pub(crate) async fn await_adopted(&self, cancel: &CancellationToken) {
        let deadline = tokio::time::Instant::now() + FIRST_CHECKS;
        while !cancel.is_cancelled() && tokio::time::Instant::now() < deadline {
            self.reconcile_once().await;
            let waiting =
                |replica: &Replica| matches!(replica.phase, Phase::Starting { .. }) && !replica.probe.is_noted();
            if !self.inner().fleet.with(|replicas| replicas.values().any(waiting)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Takes over the engines that an earlier manager started. Whether they still run, the first pass sees; those that
/// do take requests again after one health check.
pub(crate) fn adopt(fleet: &Fleet, rows: Vec<ReplicaRow>, now: Timestamp) -> BTreeMap<String, ReplicaRow> {
    for row in &rows {
        let Some(process) = process(row) else {
            tracing::warn!(replica = row.id, "the record of an engine cannot be read; it is not adopted");
            continue;
        };
        tracing::info!(replica = row.id, listener = %process.listener, "adopting engine");
        fleet.update(&row.id, |replica| {
            replica.last_hash = Some(process.spec_hash.clone());
            replica.restarts = row.restarts;
            replica.process = Some(process);
            replica.phase = Phase::Starting { since: now };
        });
    }
    rows.into_iter().map(|row| (row.id.clone(), row)).collect()
}

fn process(row: &ReplicaRow) -> Option<Process> {
    let socket = row.socket.as_ref().map(|path| Listener::Socket(path.into()));
    Some(Process {
        handle: serde_json::from_str(&row.handle).ok()?,
        listener: socket.or(row.port.map(Listener::Port))?,
        spec_hash: row.spec_hash.clone(),
        started_at: row.started_at,
    })
}
