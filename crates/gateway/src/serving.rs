//! A snapshot made ready to serve from: indexed, with the counters and connections that outlive it.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::Nanos;
use snapshot::{Key, KeyHash, Model, Settings, Snapshot};

use crate::admit::{Applied, Scope};
use crate::cache::Cache;
use crate::metrics::{Metrics, ModelMetrics};
use crate::route::DeploymentState;

/// All that requests are served from. Immutable; what changes under traffic lives behind the `Arc`s.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) settings: Settings,
    pub(crate) master_key: Option<KeyHash>,
    /// Whether the open routes are open.
    pub(crate) open_routes: bool,
    pub(crate) keys: HashMap<KeyHash, Arc<KeyState>>,
    pub(crate) models: HashMap<Arc<str>, Arc<ModelState>>,
    /// The same models in the document's order.
    pub(crate) listed: Vec<Arc<ModelState>>,
    /// The response cache, if it is switched on.
    pub(crate) cache: Option<Arc<Cache>>,
}

/// A key and what it has in use.
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) key: Key,
    scope: Arc<Scope>,
    /// How people know it, as `key 'ci'`.
    name: Arc<str>,
}

/// A model, its deployments and its metrics.
#[derive(Debug)]
pub(crate) struct ModelState {
    pub(crate) model: Model,
    pub(crate) deployments: Vec<Arc<DeploymentState>>,
    pub(crate) metrics: Arc<ModelMetrics>,
}

// === impl Serving ===

impl Serving {
    /// Makes `snapshot` ready. Counters of keys and connections of replicas that `previous` has too go on; others begin
    /// with what the snapshot says and, by key id, what `backlog` adds.
    pub(crate) fn next(
        previous: &Self,
        snapshot: &Snapshot,
        backlog: &HashMap<Arc<str>, Nanos>,
        metrics: &Metrics,
    ) -> Self {
        let scopes: HashMap<_, _> = previous.keys.values().map(|state| (&state.key.id, &state.scope)).collect();
        let keys = snapshot.keys.iter().map(|key| {
            let begin = || Scope::new(key.spent + backlog.get(&key.id).copied().unwrap_or_default());
            let scope = scopes.get(&key.id).map_or_else(|| Arc::new(begin()), |scope| Arc::clone(scope));
            let name = format!("key '{}'", key.alias.as_deref().unwrap_or(&key.id)).into();
            (key.hash, Arc::new(KeyState { key: key.clone(), scope, name }))
        });
        let listed: Vec<_> =
            snapshot.models.iter().map(|model| Arc::new(previous.next_model(model, metrics))).collect();
        Self {
            epoch: snapshot.epoch,
            revision: snapshot.revision,
            cache: Cache::next(previous.cache.as_ref(), snapshot.settings.cache.as_ref()),
            settings: snapshot.settings.clone(),
            master_key: snapshot.master_key,
            open_routes: snapshot.open_routes,
            keys: keys.collect(),
            models: listed.iter().map(|state| (state.model.name.clone(), state.clone())).collect(),
            listed,
        }
    }

    /// Every deployment of every model.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Arc<DeploymentState>> {
        self.listed.iter().flat_map(|model| &model.deployments)
    }

    fn next_model(&self, model: &Model, metrics: &Metrics) -> ModelState {
        let previous = self.models.get(&model.name);
        let known = |id| previous?.deployments.iter().find(|state| state.deployment.id == id);
        let deployments = model
            .deployments
            .iter()
            .map(|deployment| DeploymentState::next(known(deployment.id.clone()).map(Arc::as_ref), deployment))
            .map(Arc::new)
            .collect();
        ModelState { model: model.clone(), deployments, metrics: metrics.of_model(&model.name, model.model_type) }
    }
}

// === impl ModelState ===

impl ModelState {
    /// What serves the model: its deployments with the engine's name for it in each.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.deployments.iter().map(|state| (&*state.deployment.id, &*state.deployment.upstream_model))
    }
}

// === impl KeyState ===

impl KeyState {
    /// The scopes that apply to this key's requests, always in the same order.
    pub(crate) fn scopes(&self) -> Vec<Applied> {
        vec![Applied { scope: self.scope.clone(), limits: self.key.limits.clone(), name: self.name.clone() }]
    }
}
