//! A snapshot made ready to serve from: indexed, with the counters and connections that outlive it.

use std::collections::HashMap;
use std::sync::Arc;

use ambient::Timestamp;
use snapshot::{Key, KeyHash, Model, Settings, Snapshot, Team};

use crate::admit::{Applied, Kind, ScopeTable, Scopes};
use crate::authenticate::Caller;
use crate::cache::Cache;
use crate::metrics::{Metrics, ModelMetrics};
use crate::route::DeploymentState;

mod holder;

pub(crate) use holder::{KeyState, TeamState};

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
    /// What all requests together have in use; none only before the first snapshot.
    everything: Option<Arc<Applied>>,
    scopes: ScopeTable,
}

/// A model, its deployments and its metrics.
#[derive(Debug)]
pub(crate) struct ModelState {
    pub(crate) model: Model,
    pub(crate) deployments: Vec<Arc<DeploymentState>>,
    pub(crate) metrics: Arc<ModelMetrics>,
    pub(crate) applied: Arc<Applied>,
}

// === impl Serving ===

impl Serving {
    /// Makes `snapshot` ready. Counters and connections of replicas that `previous` has too go on.
    pub(crate) fn next(previous: &Self, snapshot: &Snapshot, metrics: &Metrics, now: Timestamp) -> Self {
        let mut scopes = previous.scopes.clone();
        scopes.keep_keys(&snapshot.keys.iter().map(|key| &key.id).collect());
        let everything = {
            let (limits, spent) = (&snapshot.limits, &snapshot.spent);
            scopes.applied((Kind::Everything, &"".into()), "the whole service".to_owned(), limits, spent, now)
        };
        let teams: HashMap<_, _> =
            snapshot.teams.iter().map(|team| (&team.id, next_team(&mut scopes, team, now))).collect();
        let keys = snapshot.keys.iter().map(|key| (key.hash, next_key(&mut scopes, &teams, key, now))).collect();
        let listed: Vec<_> = snapshot
            .models
            .iter()
            .map(|model| Arc::new(previous.next_model(&mut scopes, model, metrics, now)))
            .collect();
        Self {
            epoch: snapshot.epoch,
            revision: snapshot.revision,
            cache: Cache::next(previous.cache.as_ref(), snapshot.settings.cache.as_ref()),
            settings: snapshot.settings.clone(),
            master_key: snapshot.master_key,
            open_routes: snapshot.open_routes,
            keys,
            models: listed.iter().map(|state| (state.model.name.clone(), state.clone())).collect(),
            listed,
            everything: Some(everything),
            scopes,
        }
    }

    /// The scopes that apply to a request. The master key has no limits of its own, but those of the model and of the
    /// whole service are there to protect what is behind them, so they hold for it too.
    pub(crate) fn scopes(&self, caller: &Caller, model: &ModelState) -> Scopes {
        let key = if let Caller::Key(key) = caller { Some(key) } else { None };
        let team = key.and_then(|key| key.team.as_ref());
        [
            key.map(|key| key.applied.clone()),
            team.map(|team| team.applied.clone()),
            Some(model.applied.clone()),
            self.everything.clone(),
        ]
    }

    /// Every deployment of every model.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Arc<DeploymentState>> {
        self.listed.iter().flat_map(|model| &model.deployments)
    }

    fn next_model(&self, scopes: &mut ScopeTable, model: &Model, metrics: &Metrics, now: Timestamp) -> ModelState {
        let previous = self.models.get(&model.name);
        let known = |id| previous?.deployments.iter().find(|state| state.deployment.id == id);
        let deployments = model
            .deployments
            .iter()
            .map(|deployment| DeploymentState::next(known(deployment.id.clone()).map(Arc::as_ref), deployment))
            .map(Arc::new)
            .collect();
        let name = format!("model '{}'", model.name);
        ModelState {
            applied: scopes.applied((Kind::Model, &model.name), name, &model.limits, &model.spent, now),
            model: model.clone(),
            deployments,
            metrics: metrics.of_model(&model.name, model.model_type),
        }
    }
}

// === impl ModelState ===

impl ModelState {
    /// What serves the model: its deployments with the engine's name for it in each.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.deployments.iter().map(|state| (&*state.deployment.id, &*state.deployment.upstream_model))
    }
}

fn next_team(scopes: &mut ScopeTable, team: &Team, now: Timestamp) -> Arc<TeamState> {
    let name = format!("team '{}'", team.alias.as_deref().unwrap_or(&team.id));
    let applied = scopes.applied((Kind::Team, &team.id), name, &team.limits, &team.spent, now);
    Arc::new(TeamState { team: team.clone(), applied })
}

fn next_key(
    scopes: &mut ScopeTable,
    teams: &HashMap<&Arc<str>, Arc<TeamState>>,
    key: &Key,
    now: Timestamp,
) -> Arc<KeyState> {
    let name = format!("key '{}'", key.alias.as_deref().unwrap_or(&key.id));
    let applied = scopes.applied((Kind::Key, &key.id), name, &key.limits, &key.spent, now);
    let team = key.team.as_ref().and_then(|id| teams.get(id).cloned());
    // A key must not get free of its team's limits because the team is missing.
    let blocked = key.blocked || (key.team.is_some() && team.is_none());
    Arc::new(KeyState { key: Key { blocked, ..key.clone() }, team, applied })
}
