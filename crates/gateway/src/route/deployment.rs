use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use snapshot::{Deployment, Replica};
use tokio::time::Instant;

use super::{Latencies, ReplicaState};
use crate::admit::Window;

/// A deployment with its live replicas.
#[derive(Debug)]
pub(crate) struct DeploymentState {
    pub(crate) deployment: Deployment,
    /// `Bearer …` for the endpoint, marked sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    /// Its id, as answers name it.
    pub(crate) id: HeaderValue,
    pub(crate) replicas: Vec<Arc<ReplicaState>>,
    /// Counts its tries that were answered: most are, and a counter that is known needs not be found by its labels.
    pub(crate) answered: OnceLock<Counter>,
    /// Requests and tokens of this minute, where it has a limit or a strategy goes by them.
    window: Arc<Mutex<Window>>,
    /// How long its answers took, where a strategy goes by that.
    latencies: Arc<Mutex<Latencies>>,
}

/// What a request was counted as in a deployment's minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    window: Instant,
    tokens: u64,
}

/// Its limits per minute leave no room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

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
            id: HeaderValue::from_str(&deployment.id).unwrap_or(HeaderValue::from_static("")),
            replicas: deployment.replicas.iter().map(|r| known(r).unwrap_or_else(|| fresh(r))).collect(),
            window: previous.map(|state| state.window.clone()).unwrap_or_default(),
            latencies: previous.map(|state| state.latencies.clone()).unwrap_or_default(),
            answered: OnceLock::new(),
            deployment: deployment.clone(),
        }
    }

    /// Whether its limits per minute leave room for one more request of so many tokens.
    pub(crate) fn has_room(&self, tokens: u64, now: Instant) -> bool {
        self.is_unlimited() || self.fits(&self.window.lock(), tokens, now)
    }

    /// Takes one of its requests per minute where those are counted (`counts`: also without a limit), unless another
    /// request took the last one meanwhile.
    pub(crate) fn take(&self, tokens: u64, counts: bool, now: Instant) -> Result<Option<Taken>, Full> {
        if self.is_unlimited() && !counts {
            return Ok(None);
        }
        let mut window = self.window.lock();
        if !self.fits(&window, tokens, now) {
            return Err(Full);
        }
        Ok(Some(Taken { window: window.take(tokens, now), tokens }))
    }

    /// Puts the tokens that were used in the place of those that were expected.
    pub(crate) fn used(&self, taken: Taken, tokens: u64) {
        self.window.lock().settle(taken.window, taken.tokens, tokens);
    }

    /// Tokens of this minute.
    pub(crate) fn tokens(&self, now: Instant) -> u64 {
        self.window.lock().counted(now).1
    }

    /// How long its answers took.
    pub(crate) fn latencies(&self) -> parking_lot::MutexGuard<'_, Latencies> {
        self.latencies.lock()
    }

    fn is_unlimited(&self) -> bool {
        self.deployment.rpm.is_none() && self.deployment.tpm.is_none()
    }

    fn fits(&self, window: &Window, tokens: u64, now: Instant) -> bool {
        let Deployment { rpm, tpm, .. } = self.deployment;
        rpm.is_none_or(|limit| window.check(limit, now).is_ok())
            && tpm.is_none_or(|limit| window.check_tokens(limit, tokens, now).is_ok())
    }
}

fn authorization(deployment: &Deployment) -> Option<HeaderValue> {
    let credential = deployment.credential.as_ref()?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", credential.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}
