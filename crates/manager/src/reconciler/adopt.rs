use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Timestamp;
use runtime::Liveness;
use runtime::process::{stop_tagged, tagged};
use tokio_util::sync::CancellationToken;

use super::act::AGAIN;
use super::fleet::Fleet;
use super::record::{Record, tag_prefix};
use super::replica::{Phase, Process, Replica};
use crate::Manager;

/// How long the first health checks of adopted engines are waited for.
const FIRST_CHECKS: Duration = Duration::from_secs(2);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(20);
/// How long a stray engine gets to end by itself: nobody sends it requests.
const STRAY_GRACE: Duration = Duration::from_secs(5);

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

    /// Goes on copying the logs of adopted containers.
    pub(crate) fn copy_adopted_logs(&self) {
        let containers: Vec<_> = self.inner().fleet.with(|replicas| {
            let all = replicas.iter();
            all.filter_map(|(id, replica)| Some((id.clone(), replica.process.as_ref()?.handle.as_container()?.clone())))
                .collect()
        });
        for (id, container) in containers {
            self.copy_on(&id, container);
        }
    }

    /// Stops the engines of this home that no record leads to: an earlier manager was killed, or could not write,
    /// between a start and its record. Until such a one has ended, its replica is not started again. Call it after
    /// [`adopt`].
    pub(crate) async fn stop_strays(&self) {
        let home = self.config().home.clone();
        let look = tokio::task::spawn_blocking(move || {
            let prefix = tag_prefix(&home)?;
            let found = tagged(&prefix)?;
            Ok::<_, std::io::Error>((prefix, found))
        });
        let (prefix, found) = match look.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(found) => found,
            Err(error) => return tracing::error!(%error, "cannot look for engines that an earlier manager lost"),
        };
        let mut strays: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for process in found {
            let id = process.tag.strip_prefix(&prefix).unwrap_or_default().to_owned();
            strays.entry(id).or_default().push(process.pid);
        }
        for (id, pids) in strays {
            if !self.has_living(&id).await {
                self.stop_stray(&prefix, id, &pids);
            }
        }
    }

    /// Whether the replica's process is known and runs: what bears its tag belongs to it then.
    async fn has_living(&self, id: &str) -> bool {
        let handle = self.inner().fleet.with(|replicas| Some(replicas.get(id)?.process.clone()?.handle));
        match handle {
            Some(handle) => self.runtimes().observe(&handle).await == Some(Liveness::Alive),
            None => false,
        }
    }

    fn stop_stray(&self, prefix: &str, id: String, pids: &[u32]) {
        tracing::warn!(replica = id, ?pids, "an engine of this home runs that no record leads to; stopping it");
        let failure = Some("an engine that an earlier manager lost is being stopped first".to_owned());
        self.inner().fleet.update(&id, |replica| replica.phase = Phase::Stopping { failure, drains: false });
        let (manager, tag) = (self.clone(), format!("{prefix}{id}"));
        self.spawn(async move {
            while let Err(error) = stop_tagged(&tag, STRAY_GRACE).await {
                tracing::error!(replica = id, %error, "cannot stop a lost engine; trying again");
                tokio::time::sleep(AGAIN).await;
            }
            manager.finish_stop(&id, None, Duration::ZERO).await;
        });
    }
}

/// Takes over the engines that an earlier manager started. Whether they still run, the first pass sees; those that
/// do take requests again after one health check.
pub(crate) fn adopt(fleet: &Fleet, records: Vec<Record>, now: Timestamp) {
    for record in records {
        let Record { id, spec_hash, listener, started_at, restarts, gpus, placed, source, serves, handle } = record;
        // Without a handle the start was interrupted; what came of it, its tag tells.
        let Some(handle) = handle else { continue };
        tracing::info!(replica = id, %listener, "adopting engine");
        fleet.update(&id, |replica| {
            replica.last_hash = Some(spec_hash.clone());
            replica.restarts = restarts;
            replica.process = Some(Process { handle, listener, spec_hash, started_at, gpus, placed, source, serves });
            replica.adopted = true;
            replica.phase = Phase::Starting { since: now };
        });
    }
}
