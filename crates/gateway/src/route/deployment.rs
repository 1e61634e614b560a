use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use snapshot::{Deployment, Replica};
use tokio::time::Instant;

use super::ReplicaState;
use crate::admit::Window;

/// A deployment with its live replicas.
#[derive(Debug)]
pub(crate) struct DeploymentState {
    pub(crate) deployment: Deployment,
    /// `Bearer …` for the endpoint, marked sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) replicas: Vec<Arc<ReplicaState>>,
    /// Counts its tries that were answered: most are, and a counter that is known needs not be found by its labels.
    pub(crate) answered: OnceLock<Counter>,
    /// Requests of this minute, where the deployment has a limit.
    window: Arc<Mutex<Window>>,
}

// === impl DeploymentState ===

impl DeploymentState {
    /// Makes a deployment ready; replicas that `previous` has at the same address keep their state.
    pub(crate) fn next(previous: Option<&Self>, deployment: &Deployment) -> Self {
        let same_timeout = |state: &&Self| state.deployment.timeouts.connect == deployment.timeouts.connect;
        let known = |replica: &Replica| {
            previous.filter(same_timeout)?.replicas.iter().find(|state| state.replica == *replica).cloned()
        };
        let fresh = |replica: &Replica| Arc::new(ReplicaState::new(replica.clone(), deployment.timeouts.connect));
        Self {
            authorization: authorization(deployment),
            replicas: deployment.replicas.iter().map(|r| known(r).unwrap_or_else(|| fresh(r))).collect(),
            window: previous.map(|state| state.window.clone()).unwrap_or_default(),
            answered: OnceLock::new(),
            deployment: deployment.clone(),
        }
    }

    /// Whether its limit of requests per minute leaves room.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        self.deployment.rpm.is_none_or(|limit| self.window.lock().check(limit, now).is_ok())
    }

    /// Takes one of its requests per minute; false if another request took the last one meanwhile.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let Some(limit) = self.deployment.rpm else { return true };
        let mut window = self.window.lock();
        let has_room = window.check(limit, now).is_ok();
        if has_room {
            window.take(0, now);
        }
        has_room
    }
}

fn authorization(deployment: &Deployment) -> Option<HeaderValue> {
    let credential = deployment.credential.as_ref()?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", credential.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}
