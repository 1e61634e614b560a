use std::collections::BTreeMap;
use std::path::PathBuf;

use runtime::process::{Placeholders, TAG, substitute};
use runtime::{Launch, Listener, free_port};
use spec::environment_variable;
use spec::placeholder::{Placeholder, holds};

use super::Desired;
use super::record::tag_prefix;
use super::template;
use crate::Home;
use crate::config::Environment;
use crate::placement::Device;

/// Variable that tells CUDA programs which GPUs are theirs.
const VISIBLE_GPUS: &str = "CUDA_VISIBLE_DEVICES";
/// Times that a port is asked for before it is given up: one may be promised to another replica.
const PORT_TRIES: u32 = 20;

/// What starts a replica on `gpus`. Reads the environment anew at every start.
pub(super) fn launch(
    desired: &Desired,
    home: &Home,
    env: &Environment,
    taken: &[u16],
    gpus: &[Device],
) -> Result<(Launch, Listener), String> {
    let engine = &desired.engine;
    let listener = listener(desired, home, taken)?;
    let source = resolve(env, &engine.source)?;
    // Words stay as they are written: a secret among them would show in process lists.
    let command: Vec<_> = engine.command.iter().chain(&engine.args).cloned().collect();
    let template = template::write(home, engine)?.map(|path| path.display().to_string());
    let values =
        Placeholders { source: &source, name: &desired.model, listener: &listener, chat_template: template.as_deref() };
    let (port, socket) = match &listener {
        Listener::Port(port) => (Some(*port), None),
        Listener::Socket(path) => (None, Some(path.clone())),
        // Of a container, which is started elsewhere.
        Listener::Address(_) => (None, None),
    };
    let mut variables = environment(desired, env, gpus)?;
    let tag = tag_prefix(home).map_err(|error| format!("cannot read the home {}: {error}", home.path().display()))?;
    variables.insert(TAG.to_owned(), format!("{tag}{}", desired.id));
    let launch = Launch {
        replica_id: desired.id.clone(),
        argv: substitute(&command, &values).map_err(|error| error.to_string())?,
        env: variables,
        port,
        socket,
        log_file: log_file(home, &desired.id),
        working_dir: home.work(),
    };
    Ok((launch, listener))
}

/// Where a replica writes.
pub(crate) fn log_file(home: &Home, id: &str) -> PathBuf {
    home.logs().join(format!("{}.log", id.replace('/', "-")))
}

fn listener(desired: &Desired, home: &Home, taken: &[u16]) -> Result<Listener, String> {
    let engine = &desired.engine;
    if holds(&engine.command, Placeholder::Socket) || holds(&engine.args, Placeholder::Socket) {
        return Ok(Listener::Socket(home.run().join(format!("{}.sock", desired.id.replace('/', "-")))));
    }
    for _ in 0..PORT_TRIES {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        if !taken.contains(&port) {
            return Ok(Listener::Port(port));
        }
    }
    Err("no free port".to_owned())
}

fn environment(desired: &Desired, env: &Environment, gpus: &[Device]) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    if !gpus.is_empty() {
        // By UUID: numbers change with the machine, and a program may count in another order.
        let uuids: Vec<_> = gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
        all.insert(VISIBLE_GPUS.to_owned(), uuids.join(","));
    }
    for (name, value) in &*desired.env {
        all.insert(name.clone(), resolve(env, value)?);
    }
    Ok(all)
}

pub(super) fn resolve(env: &Environment, text: &str) -> Result<String, String> {
    match environment_variable(text) {
        Some(name) => env.get(name).ok_or_else(|| format!("the environment variable {name} is not set")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use spec::{Format, parse};

    use super::*;
    use crate::reconciler::desired;

    fn launched(engine: &str) -> (tempfile::TempDir, Result<(Launch, Listener), String>) {
        let text = format!(
            "version: 1\nmodels: [{{name: org/m, type: chat, deployments: [{{id: d, engine: {{source: /m, runtime: process, {engine}}}}}]}}]"
        );
        let env = Environment::new(|name| (name == "TOKEN").then(|| "secret".to_owned()));
        let replicas = desired(&parse(&text, Format::Yaml).unwrap(), &env);
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        let gpus = ["GPU-2", "GPU-x"].map(Device::named);
        let launch = launch(replicas.last().unwrap(), &home, &env, &[], &gpus);
        (folder, launch)
    }

    #[test]
    fn a_command_is_filled_in() {
        let (folder, launched) = launched(
            "command: [serve, '{source}', --port, '{port}', --name, '{name}'], args: ['--x={port}'],
             env: {T: os.environ/TOKEN, A: b, ENGINEHOUSE_REPLICA: x}, gpus: [0, 1, 2, GPU-x], replicas: 2",
        );
        let (launch, listener) = launched.unwrap();
        let Listener::Port(port) = listener else { panic!("{listener}") };
        let (port_text, last) = (port.to_string(), format!("--x={port}"));
        assert_eq!(launch.argv, ["serve", "/m", "--port", &port_text, "--name", "org/m", &last]);
        let tag = format!("{}d/1", tag_prefix(&Home::create(folder.path()).unwrap()).unwrap());
        assert_eq!(launch.env.get(TAG), Some(&tag), "whatever the document says");
        let env: Vec<_> = launch.env.iter().filter(|(n, _)| *n != TAG).map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(env, [("A", "b"), ("CUDA_VISIBLE_DEVICES", "GPU-2,GPU-x"), ("T", "secret")]);
        assert_eq!((launch.port, launch.socket), (Some(port), None));
        assert_eq!(launch.log_file, folder.path().join("logs/d-1.log"));
        assert_eq!(launch.working_dir, folder.path().join("work"), "not where the databases are");
        assert!(launch.working_dir.is_dir());
    }

    #[test]
    fn a_socket_goes_before_a_port() {
        let (folder, launched) = launched("command: [serve, --uds, '{socket}']");
        let (launch, listener) = launched.unwrap();
        let socket = folder.path().join("run/d-0.sock");
        assert_eq!(listener, Listener::Socket(socket.clone()));
        assert_eq!(launch.argv[2], socket.to_str().unwrap());
    }

    #[test]
    fn no_variable_gets_into_the_words_of_a_command() {
        let (_folder, launched) = launched("command: [serve, '{port}'], args: [os.environ/TOKEN]");
        assert!(!launched.unwrap().0.argv.contains(&"secret".to_owned()));
    }

    #[test]
    fn an_unset_variable_is_named() {
        let (_folder, launched) = launched("command: [serve, '{port}'], env: {A: os.environ/UNSET}");
        assert!(launched.unwrap_err().contains("UNSET is not set"));
    }
}
