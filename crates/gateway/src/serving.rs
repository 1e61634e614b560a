//! A snapshot made ready to serve from: indexed, with the counters and connections that outlive it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ambient::Timestamp;
use snapshot::{Alias, KeyHash, Settings, Snapshot};
use tokio::runtime::Handle;

use crate::admit::{Applied, Kind, ScopeTable, Scopes};
use crate::authenticate::Caller;
use crate::cache::Cache;
use crate::metrics::Metrics;
use crate::route::{DeploymentState, Tracks};

mod holder;
mod keys;
mod model;

pub(crate) use holder::{KeyState, TeamState};
pub(crate) use keys::KeyTable;
pub(crate) use model::ModelState;

/// Keys and models that are given back on the spot; more go to a thread on which nobody waits.
const FEW: usize = 100;

/// All that requests are served from. Immutable; what changes under traffic lives behind the `Arc`s. What one snapshot
/// has like the one before is shared by both.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) settings: Settings,
    pub(crate) master_key: Option<KeyHash>,
    /// Whether the open routes are open.
    pub(crate) open_routes: bool,
    pub(crate) keys: KeyTable,
    /// By their ids.
    teams: HashMap<Arc<str>, Arc<TeamState>>,
    pub(crate) models: HashMap<Arc<str>, Arc<ModelState>>,
    /// Other names for them.
    pub(crate) aliases: BTreeMap<Arc<str>, Alias>,
    /// What deployments take down about requests.
    pub(crate) tracks: Tracks,
    /// The same models in the document's order.
    pub(crate) listed: Vec<Arc<ModelState>>,
    /// The response cache, if it is switched on.
    pub(crate) cache: Option<Arc<Cache>>,
    /// What all requests together have in use; none only before the first snapshot.
    everything: Option<Arc<Applied>>,
    scopes: ScopeTable,
}

// === impl Serving ===

impl Serving {
    /// Makes `snapshot` ready. Counters and connections of replicas that `previous` has too go on.
    pub(crate) fn next(previous: &Self, snapshot: &Snapshot, metrics: &Metrics, now: Timestamp) -> Self {
        let mut scopes = previous.scopes.clone();
        let everything = {
            let (limits, spent) = (&snapshot.limits, &snapshot.spent);
            scopes.applied((Kind::Everything, &"".into()), "the whole service".to_owned(), limits, spent, now)
        };
        let teams = snapshot.teams.iter().map(|team| {
            let known = previous.teams.get(&team.id);
            (team.id.clone(), TeamState::next(known, team, &mut scopes, now))
        });
        let teams: HashMap<_, _> = teams.collect();
        let keys = KeyTable::next(&previous.keys, &snapshot.keys, &teams, &mut scopes, now);
        let models = snapshot.models.iter();
        let listed: Vec<_> = models
            .map(|model| ModelState::next(previous.models.get(&model.name), model, &mut scopes, metrics, now))
            .collect();
        let of_keys = snapshot.keys.iter().filter_map(|key| key.routing.as_ref()?.strategy);
        let strategies = snapshot.models.iter().map(|model| model.strategy).chain(of_keys);
        Self {
            aliases: snapshot.aliases.clone(),
            tracks: Tracks::of(strategies),
            epoch: snapshot.epoch,
            revision: snapshot.revision,
            cache: Cache::next(previous.cache.as_ref(), snapshot.settings.cache.as_ref()),
            settings: snapshot.settings.clone(),
            master_key: snapshot.master_key,
            open_routes: snapshot.open_routes,
            keys,
            teams,
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

    /// The model of this name, or that this name stands for.
    pub(crate) fn model(&self, name: &str) -> Option<&Arc<ModelState>> {
        // Most name a model itself, and pay nothing for those who do not.
        self.models.get(name).or_else(|| self.models.get(&self.aliases.get(name)?.model))
    }

    /// Every deployment of every model.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Arc<DeploymentState>> {
        self.listed.iter().flat_map(|model| &model.deployments)
    }
}

impl Drop for Serving {
    /// Thousands of keys take a while to give back, and whoever held them last may be a request.
    fn drop(&mut self) {
        if self.keys.len() + self.models.len() <= FEW {
            return;
        }
        let parts = (
            std::mem::take(&mut self.keys),
            std::mem::take(&mut self.models),
            std::mem::take(&mut self.listed),
            std::mem::take(&mut self.scopes),
        );
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(parts));
        }
    }
}

#[cfg(test)]
mod tests;
