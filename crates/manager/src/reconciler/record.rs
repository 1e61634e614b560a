use std::collections::BTreeMap;

use store::ReplicaRow;
use tokio_util::sync::CancellationToken;

use super::TICK;
use super::replica::Process;
use crate::Manager;

// === impl Manager ===

impl Manager {
    /// Keeps the store's list of processes equal to what runs, until cancelled. Beside the reconciler, because a
    /// store that is locked must not keep engines from being supervised.
    pub(crate) async fn record(&self, mut recorded: BTreeMap<String, ReplicaRow>, cancel: &CancellationToken) {
        loop {
            if let Err(error) = self.record_once(&mut recorded).await {
                tracing::warn!(%error, "cannot record which engines run; trying again");
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.inner().record.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Writes what differs from `recorded`.
    pub(crate) async fn record_once(&self, recorded: &mut BTreeMap<String, ReplicaRow>) -> store::Result<()> {
        let actual = self.rows();
        for (id, row) in &actual {
            if recorded.get(id) != Some(row) {
                self.store().replicas().put(row).await?;
                recorded.insert(id.clone(), row.clone());
            }
        }
        let gone: Vec<_> = recorded.keys().filter(|id| !actual.contains_key(*id)).cloned().collect();
        for id in gone {
            self.store().replicas().delete(&id).await?;
            recorded.remove(&id);
        }
        Ok(())
    }

    fn rows(&self) -> BTreeMap<String, ReplicaRow> {
        self.inner().fleet.with(|replicas| {
            let with_process =
                replicas.iter().filter_map(|(id, replica)| Some((id, replica, replica.process.as_ref()?)));
            with_process.map(|(id, replica, process)| (id.clone(), row(id, process, replica.restarts))).collect()
        })
    }
}

fn row(id: &str, process: &Process, restarts: u32) -> ReplicaRow {
    let (port, socket) = match &process.listener {
        runtime::Listener::Port(port) => (Some(*port), None),
        runtime::Listener::Socket(path) => (None, Some(path.to_string_lossy().into_owned())),
    };
    ReplicaRow {
        id: id.to_owned(),
        spec_hash: process.spec_hash.clone(),
        // Cannot fail: every key is a string.
        handle: serde_json::to_string(&process.handle).unwrap_or_default(),
        port,
        socket,
        started_at: process.started_at,
        restarts,
    }
}
