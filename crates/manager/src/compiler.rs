//! From a revision, the live replicas and the keys to the [`Snapshot`] that the gateway serves from.
//!
//! Pure: the environment is a parameter. What cannot be used is left out and named in a warning.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ambient::Timestamp;
use ledger::Nanos;
use snapshot::{Address, CacheSettings, Key, KeyHash, RoutingSettings, Settings, Snapshot, Team};
use spec::{Document, Warning};
use store::{KeyRow, TeamRow};

use crate::config::Environment;
use crate::current::Current;
use crate::spent::Spent;

mod deployment;
mod fallbacks;
mod limits;
mod price;

pub(crate) use limits::{key_period, limits_of, limits_of_key, limits_of_team};

/// What a snapshot is compiled from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'a> {
    /// The revision that applies.
    pub(crate) current: &'a Current,
    /// Where replicas that are ready listen, by their ids.
    pub(crate) ready: &'a BTreeMap<String, Address>,
    /// The keys, deleted ones included.
    pub(crate) keys: &'a [KeyRow],
    /// The teams.
    pub(crate) teams: &'a [TeamRow],
    /// What the books hold.
    pub(crate) spent: &'a Spent,
    /// Whether the open routes are open.
    pub(crate) open_routes: bool,
    /// Hash of the master key.
    pub(crate) master_key: Option<KeyHash>,
    /// The time now: budgets have periods.
    pub(crate) now: Timestamp,
    /// What `os.environ/NAME` refers to.
    pub(crate) env: &'a Environment,
}

/// A snapshot, and what had to be left out of it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) snapshot: Snapshot,
    pub(crate) warnings: Vec<Warning>,
}

/// Compiles a snapshot.
pub(crate) fn compile(inputs: &Inputs<'_>) -> Compiled {
    let document = &inputs.current.document;
    let mut warnings = Vec::new();
    let models = document
        .models
        .iter()
        .enumerate()
        .map(|(index, model)| compile_model(inputs, model, &format!("models[{index}]"), &mut warnings))
        .collect();
    let limits = limits_of(&document.limits);
    let snapshot = Snapshot {
        revision: inputs.current.revision,
        models,
        aliases: fallbacks::aliases(document),
        keys: inputs.keys.iter().filter(|key| key.deleted_at.is_none()).map(|key| compile_key(inputs, key)).collect(),
        open_routes: inputs.open_routes,
        master_key: inputs.master_key,
        settings: settings(document),
        teams: inputs.teams.iter().map(|team| compile_team(inputs, team)).collect(),
        spent: inputs.spent.of(limits.budget_period, inputs.now, |spending| spending.all),
        limits,
        booked: inputs.spent.booked.clone(),
        ..Snapshot::default()
    };
    Compiled { snapshot, warnings }
}

/// What would have to be left out of a document.
pub(crate) fn warnings(document: &Document, env: &Environment) -> Vec<Warning> {
    let current = Current::tentative(document.clone());
    let (ready, spent) = (BTreeMap::new(), Spent::default());
    let inputs = Inputs {
        current: &current,
        ready: &ready,
        keys: &[],
        teams: &[],
        spent: &spent,
        open_routes: true,
        master_key: None,
        now: Timestamp::default(),
        env,
    };
    compile(&inputs).warnings
}

fn compile_model(inputs: &Inputs<'_>, model: &spec::Model, path: &str, warnings: &mut Vec<Warning>) -> snapshot::Model {
    let Inputs { current, ready, env, .. } = *inputs;
    let routing = &current.document.routing;
    let credentials = &current.document.credentials;
    let context = deployment::Context { model, timeouts: &routing.timeouts, credentials, ready, env };
    let mut deployments = Vec::with_capacity(model.deployments.len());
    for (index, deployment) in model.deployments.iter().enumerate() {
        match deployment::compile(&context, deployment) {
            Ok(compiled) => deployments.extend(compiled),
            Err(unusable) => {
                let path = format!("{path}.deployments[{index}]");
                warnings.push(Warning { path, message: unusable.to_string() });
            }
        }
    }
    let limits = limits_of(&model.limits);
    snapshot::Model {
        name: model.name.as_str().into(),
        model_type: model.model_type,
        price: price::compile(&model.price, current.price_version(&model.name)),
        spent: inputs.spent.of(limits.budget_period, inputs.now, |spending| spent_by(&spending.models, &model.name)),
        limits,
        context_length: context_length(model),
        strategy: model.strategy.unwrap_or(routing.strategy),
        fallbacks: fallbacks::compile(routing, &model.name),
        retries: model.retries,
        retry_policy: model.retry_policy,
        created: current.created_at(&model.name).as_secs(),
        open_access: model.open_access,
        deployments,
    }
}

/// The longest that any engine allows: reservations on budgets must not fall short.
fn context_length(model: &spec::Model) -> Option<u32> {
    model.deployments.iter().filter_map(|deployment| deployment.engine.as_ref()?.max_model_len).max()
}

fn compile_key(inputs: &Inputs<'_>, key: &KeyRow) -> Key {
    let limits = limits_of_key(key);
    Key {
        id: key.id.as_str().into(),
        hash: key.hash,
        kind: key.kind,
        alias: key.alias.clone(),
        models: key.models.clone(),
        aliases: key.aliases.clone(),
        team: key.team.as_deref().map(Into::into),
        spent: inputs.spent.of(limits.budget_period, inputs.now, |spending| spent_by(&spending.keys, &key.id)),
        limits,
        retries: key.retries,
        routing: (!key.routing.is_default()).then(|| Box::new(key.routing.clone())),
        expires_at: key.expires_at,
        blocked: key.blocked,
    }
}

fn compile_team(inputs: &Inputs<'_>, team: &TeamRow) -> Team {
    let limits = limits_of_team(team);
    Team {
        id: team.id.as_str().into(),
        alias: team.alias.clone(),
        models: team.models.clone(),
        spent: inputs.spent.of(limits.budget_period, inputs.now, |spending| spent_by(&spending.teams, &team.id)),
        limits,
        blocked: team.blocked,
    }
}

fn spent_by(named: &HashMap<String, Nanos>, name: &str) -> Nanos {
    named.get(name).copied().unwrap_or_default()
}

fn settings(document: &Document) -> Settings {
    let routing = &document.routing;
    Settings {
        retries: routing.retries,
        allowed_fails: routing.allowed_fails,
        cooldown: seconds(routing.cooldown_seconds),
        routing: RoutingSettings {
            retry_policy: routing.retry_policy,
            allowed_fails_policy: routing.allowed_fails_policy,
            max_fallbacks: routing.max_fallbacks,
            pre_call_checks: routing.enable_pre_call_checks,
            latency_buffer: routing.lowest_latency_buffer,
        },
        max_body_bytes: bytes(document.requests.max_body_bytes),
        max_response_bytes: bytes(document.requests.max_response_bytes),
        max_buffered_bytes: bytes(document.requests.max_buffered_bytes),
        on_full: document.ledger.on_full,
        cache: document.cache.enabled.then(|| cache(&document.cache)),
    }
}

fn cache(cache: &spec::Cache) -> CacheSettings {
    CacheSettings {
        ttl: seconds(cache.ttl_seconds),
        max_bytes: cache.max_bytes,
        max_entry_bytes: cache.max_entry_bytes,
        namespace: cache.namespace.as_deref().map(Into::into),
        coalesce: cache.coalesce,
    }
}

/// What no machine of this size can hold is no bound at all.
fn bytes(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Validation has seen to it that the number is a length of time.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::from(spec::limits::SECONDS)))
}

#[cfg(test)]
mod tests;
