use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use spec::{
    Container, Containers, Deployment, Document, Engine, Gpu, Image, Model, ModelType, Runtime, container, defaults,
    environment, environment_variable, environment_variables,
};

use super::places::SECOND;
use crate::config::Environment;
use crate::digest::sha256;

/// One replica that should run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    /// `<deployment id>/<number>`, or the other of its [`places`](super::places).
    pub(crate) id: String,
    /// Public name of the model.
    pub(crate) model: Arc<str>,
    /// From 0.
    pub(crate) number: u32,
    /// Type and name under which it answers: an engine that has others cannot stand in for it.
    pub(crate) serves: Arc<str>,
    /// Differs where the running process would have to be another one.
    pub(crate) spec_hash: String,
    /// From start to healthy, before the start counts as failed.
    pub(crate) start_timeout: Duration,
    /// Path that answers 200 once it can serve.
    pub(crate) health_path: &'static str,
    /// What is started.
    pub(crate) engine: Arc<Engine>,
    /// Its environment: its own, over that for its type, over that for all.
    pub(crate) env: Arc<BTreeMap<String, String>>,
    /// The container that it runs in; none for a process.
    pub(crate) container: Option<Arc<DesiredContainer>>,
    /// Why it cannot be started at all; none if it can.
    pub(crate) obstacle: Option<String>,
    /// Why what runs from another definition is left alone for now; none if it is not.
    pub(crate) waits: Option<String>,
    /// Whether this is the place of what serves on while its replica is replaced.
    pub(crate) kept: bool,
}

/// The container of a replica.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DesiredContainer {
    /// What runs in it.
    pub(crate) container: Container,
    /// Type of the model.
    pub(crate) model_type: ModelType,
    /// How containers are made.
    pub(crate) common: Containers,
    /// A port on 127.0.0.1 of the machine that leads to it.
    pub(crate) host_port: Option<u16>,
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
    env: &'a BTreeMap<String, String>,
    gpus: &'a [Gpu],
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<ContainerEssence<'a>>,
}

/// All that makes a container another one besides.
#[derive(Debug, Serialize)]
struct ContainerEssence<'a> {
    image: &'a Image,
    args: &'a [String],
    common: &'a Containers,
    host_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
}

/// What the replicas of one deployment share.
struct Deployed<'a> {
    model: &'a Model,
    id: &'a str,
    engine: Arc<Engine>,
    env: Arc<BTreeMap<String, String>>,
    obstacle: Option<String>,
}

// === impl Desired ===

impl Desired {
    /// Whether its image is taken for one of vLLM: it gets the arguments of that.
    pub(crate) fn must_be_vllm(&self) -> bool {
        self.container.is_some() && self.engine.command.is_empty()
    }

    /// Id of the deployment.
    pub(crate) fn deployment(&self) -> &str {
        self.id.rsplit_once('/').map_or(&self.id, |(deployment, _)| deployment)
    }

    /// Whether it has the second place of its replica.
    pub(super) fn is_second(&self) -> bool {
        self.id.ends_with(SECOND)
    }

    /// The words that it is started with, as the document has them.
    pub(crate) fn words(&self) -> Vec<String> {
        let args = self.container.as_ref().map_or(&self.engine.args, |container| &container.container.args);
        self.engine.command.iter().chain(args).cloned().collect()
    }
}

/// All replicas that a document asks for, in its order.
pub(crate) fn desired(document: &Document, env: &Environment) -> Vec<Desired> {
    let mut all = Vec::new();
    for model in &document.models {
        for deployment in &model.deployments {
            let (Some(engine), Some(id)) = (&deployment.engine, &deployment.id) else { continue };
            let variables = environment(model.model_type, engine, &document.defaults);
            let obstacle = unset(deployment, &variables, env);
            let of = Deployed { model, id, engine: Arc::new(engine.clone()), env: Arc::new(variables), obstacle };
            all.extend((0..engine.replicas).map(|number| replica(&of, document, number)));
        }
    }
    all
}

/// The first variable that a deployment refers to and that is not set, as a reason.
fn unset(deployment: &Deployment, variables: &BTreeMap<String, String>, env: &Environment) -> Option<String> {
    let referred = variables.values().filter_map(|value| environment_variable(value));
    let mut names = environment_variables(deployment).into_iter().chain(referred);
    let name = names.find(|name| env.get(name).is_none())?;
    Some(format!("the environment variable {name} is not set"))
}

fn replica(of: &Deployed<'_>, document: &Document, number: u32) -> Desired {
    let Deployed { model, id, engine, env, obstacle } = of;
    let defaults = defaults(model.model_type);
    let container = (engine.runtime == Runtime::Docker).then(|| Arc::new(contained(document, model, engine, number)));
    Desired {
        id: format!("{id}/{number}"),
        model: model.name.as_str().into(),
        number,
        serves: serves(model.model_type.as_str(), &model.name).into(),
        spec_hash: spec_hash(of, container.as_deref(), number),
        start_timeout: Duration::from_secs(u64::from(engine.start_timeout.unwrap_or(defaults.start_timeout))),
        health_path: defaults.health_path,
        engine: engine.clone(),
        env: env.clone(),
        container,
        obstacle: obstacle.clone(),
        waits: None,
        kept: false,
    }
}

/// What an engine answers as.
pub(super) fn serves(model_type: &str, name: &str) -> String {
    format!("{model_type} {name}")
}

fn contained(document: &Document, model: &Model, engine: &Engine, number: u32) -> DesiredContainer {
    // How many `all` are, the machine tells when it starts.
    let count = match gpus_of(engine, number) {
        [Gpu::Name(all)] if all == "all" => None,
        own => Some(own.len()),
    };
    let offset = u16::try_from(number).unwrap_or_default();
    DesiredContainer {
        container: container(document, model, engine, count),
        model_type: model.model_type,
        common: document.defaults.containers.clone(),
        host_port: engine.host_port.map(|first| first.saturating_add(offset)),
    }
}

fn spec_hash(of: &Deployed<'_>, container: Option<&DesiredContainer>, number: u32) -> String {
    let Deployed { model, engine, env, .. } = of;
    let essence = Essence {
        name: &model.name,
        number,
        source: &engine.source,
        revision: engine.revision.as_deref(),
        runtime: engine.runtime,
        command: &engine.command,
        args: &engine.args,
        env,
        gpus: gpus_of(engine, number),
        chat_template: engine.chat_template.as_deref(),
        container: container.map(|made| ContainerEssence {
            image: &made.container.image,
            args: &made.container.args,
            common: &made.common,
            host_port: made.host_port,
            cpus: engine.cpus,
            memory_bytes: engine.memory_bytes,
        }),
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
            "command: [a, '{port}'], chat_template: x",
            "command: [a, '{port}'], chat_template: y",
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
