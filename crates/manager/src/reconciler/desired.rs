use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use spec::{Document, Engine, Gpu, Model, Runtime, defaults, environment_variables};

use crate::config::Environment;
use crate::digest::sha256;

/// One replica that should run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    /// `<deployment id>/<number>`.
    pub(crate) id: String,
    /// Public name of the model.
    pub(crate) model: Arc<str>,
    /// From 0.
    pub(crate) number: u32,
    /// Differs where the running process would have to be another one.
    pub(crate) spec_hash: String,
    /// From start to healthy, before the start counts as failed.
    pub(crate) start_timeout: Duration,
    /// Path that answers 200 once it can serve.
    pub(crate) health_path: &'static str,
    /// What is started.
    pub(crate) engine: Arc<Engine>,
    /// Why it cannot be started at all; none if it can.
    pub(crate) obstacle: Option<String>,
}

/// All that makes a process what it is. A reference to the environment counts as it is written: a secret must not
/// show in a hash that is stored, and a new value reaches the engine with its next start.
#[derive(Debug, Serialize)]
struct Essence<'a> {
    name: &'a str,
    number: u32,
    source: &'a str,
    revision: Option<&'a str>,
    runtime: Runtime,
    command: &'a [String],
    args: &'a [String],
    env: &'a std::collections::BTreeMap<String, String>,
    gpus: &'a [Gpu],
}

// === impl Desired ===

impl Desired {
    /// Id of the deployment.
    pub(crate) fn deployment(&self) -> &str {
        self.id.rsplit_once('/').map_or(&self.id, |(deployment, _)| deployment)
    }
}

/// All replicas that a document asks for, in its order.
pub(crate) fn desired(document: &Document, env: &Environment) -> Vec<Desired> {
    let mut all = Vec::new();
    for model in &document.models {
        for deployment in &model.deployments {
            let (Some(engine), Some(id)) = (&deployment.engine, &deployment.id) else { continue };
            let unset = environment_variables(deployment).into_iter().find(|name| env.get(name).is_none());
            let obstacle = unset.map(|name| format!("the environment variable {name} is not set"));
            let engine = Arc::new(engine.clone());
            all.extend((0..engine.replicas).map(|number| replica(model, id, &engine, number, obstacle.clone())));
        }
    }
    all
}

fn replica(model: &Model, deployment: &str, engine: &Arc<Engine>, number: u32, obstacle: Option<String>) -> Desired {
    let defaults = defaults(model.model_type);
    Desired {
        id: format!("{deployment}/{number}"),
        model: model.name.as_str().into(),
        number,
        spec_hash: spec_hash(&model.name, engine, number),
        start_timeout: Duration::from_secs(u64::from(engine.start_timeout.unwrap_or(defaults.start_timeout))),
        health_path: defaults.health_path,
        engine: engine.clone(),
        obstacle,
    }
}

fn spec_hash(name: &str, engine: &Engine, number: u32) -> String {
    let essence = Essence {
        name,
        number,
        source: &engine.source,
        revision: engine.revision.as_deref(),
        runtime: engine.runtime,
        command: &engine.command,
        args: &engine.args,
        env: &engine.env,
        gpus: gpus_of(engine, number),
    };
    // Cannot fail: every key is a string.
    sha256(&serde_json::to_vec(&essence).unwrap_or_default())
}

/// The GPUs of one replica: an equal share, in order. `all` cannot be shared out and stays.
pub(crate) fn gpus_of(engine: &Engine, number: u32) -> &[Gpu] {
    let share = engine.gpus.len() / engine.replicas.max(1) as usize;
    if share == 0 {
        return &engine.gpus;
    }
    let start = share * number as usize;
    engine.gpus.get(start..start + share).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use spec::{Format, parse};

    use super::*;

    fn of(engine: &str) -> Vec<Desired> {
        let text = format!(
            "version: 1\nmodels: [{{name: m, type: chat, deployments: [{{id: d, engine: {{source: ./m, runtime: process, {engine}}}}}]}}]"
        );
        desired(&parse(&text, Format::Yaml).unwrap(), &Environment::new(|name| (name == "SET").then(String::new)))
    }

    #[test]
    fn every_replica_has_an_id_a_share_of_the_gpus_and_a_hash() {
        let replicas = of("command: [a, '{port}'], replicas: 2, gpus: [0, 1, 2, 3]");
        let ids: Vec<_> = replicas.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(ids, ["d/0", "d/1"]);
        assert_ne!(replicas[0].spec_hash, replicas[1].spec_hash);
        assert_eq!(gpus_of(&replicas[1].engine, 1), [Gpu::Index(2), Gpu::Index(3)]);
        assert_eq!(replicas[0].start_timeout, Duration::from_secs(1800));
        let all = of("command: [a, '{port}'], replicas: 2, gpus: [all]");
        assert_eq!(gpus_of(&all[0].engine, 1), [Gpu::Name("all".into())]);
    }

    #[test]
    fn the_hash_differs_exactly_where_the_process_would() {
        let hash = |engine: &str| of(engine)[0].spec_hash.clone();
        let base = hash("command: [a, '{port}']");
        assert_eq!(base, hash("command: [a, '{port}'], start_timeout: 9, max_model_len: 5"));
        let others = [
            "command: [b, '{port}']",
            "command: [a, '{port}'], args: [x]",
            "command: [a, '{port}'], env: {A: b}",
            "command: [a, '{port}'], revision: main",
            "command: [a, '{port}'], gpus: [1]",
        ];
        for other in others {
            assert_ne!(base, hash(other), "{other}");
        }
    }

    #[test]
    fn an_unset_variable_is_an_obstacle() {
        let obstacle = |engine: &str| of(engine)[0].obstacle.clone();
        assert_eq!(obstacle("command: [a, '{port}'], env: {A: os.environ/SET}"), None);
        let unset = obstacle("command: [a, '{port}'], env: {A: os.environ/UNSET}").unwrap();
        assert!(unset.contains("UNSET is not set"), "{unset}");
    }
}
