//! What the replicas of a model use of the machine. Asked for, never watched: no pass of the reconciler waits for it.

use std::time::Duration;

use futures_util::future::join_all;
use runtime::Used;

use crate::Manager;
use crate::reconciler::Desired;

/// Between the two looks that tell how much is computed.
const BETWEEN: Duration = Duration::from_millis(500);

/// What one replica uses, and may use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaResources {
    /// `<deployment id>/<number>`.
    pub(crate) id: String,
    /// What it uses, and how many CPUs; none where it does not run, or cannot be asked.
    pub(crate) used: Option<(Used, f64)>,
    /// CPUs that it may use.
    pub(crate) cpus: Option<f64>,
    /// Bytes of memory that it may use.
    pub(crate) memory_bytes: Option<u64>,
}

// === impl Manager ===

impl Manager {
    /// What the replicas of a model use now. Takes a moment: what is computed shows between two looks.
    pub(crate) async fn resources(&self, model: &str) -> Vec<ReplicaResources> {
        // As many as a model may have replicas.
        let wanted: Vec<_> = self.wanted().into_iter().filter(|desired| *desired.model == *model).collect();
        join_all(wanted.iter().map(|desired| self.resources_of(desired))).await
    }

    async fn resources_of(&self, desired: &Desired) -> ReplicaResources {
        let (cpus, memory_bytes) = (desired.engine.cpus, desired.engine.memory_bytes);
        ReplicaResources { id: desired.id.clone(), used: self.used(&desired.id).await, cpus, memory_bytes }
    }

    async fn used(&self, id: &str) -> Option<(Used, f64)> {
        let handle = self.inner().fleet.handle(id)?;
        let before = self.runtimes().used(&handle).await?;
        let began = self.config().clock.now();
        tokio::time::sleep(BETWEEN).await;
        let after = self.runtimes().used(&handle).await?;
        let seconds = self.config().clock.now().since(began).as_secs_f64();
        let computed = Duration::from_nanos(after.cpu_nanos.saturating_sub(before.cpu_nanos)).as_secs_f64();
        Some((after, if seconds > 0.0 { computed / seconds } else { 0.0 }))
    }
}
