//! Engines in containers, on a real Docker daemon: the whole way from a document to an answer, and what becomes of it
//! when the manager, the daemon or somebody else gets in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use serde_json::{Value, json};
use support::docker::{Daemon, IMAGE};
use support::{Finished, Scene, Server, ServerOptions, eventually};

#[path = "docker/adoption.rs"]
mod adoption;
#[path = "docker/away.rs"]
mod away;
#[path = "docker/downloads.rs"]
mod downloads;
#[path = "docker/failures.rs"]
mod failures;
#[path = "docker/full_disk.rs"]
mod full_disk;
#[path = "docker/gpus.rs"]
mod gpus;
#[path = "docker/healing.rs"]
mod healing;
#[path = "docker/killed.rs"]
mod killed;
#[path = "docker/many.rs"]
mod many;
#[path = "docker/order.rs"]
mod order;
#[path = "docker/reboot.rs"]
mod reboot;
#[path = "docker/rebuilt.rs"]
mod rebuilt;
#[path = "docker/replacing.rs"]
mod replacing;
#[path = "docker/switching.rs"]
mod switching;
#[path = "docker/types.rs"]
mod types;

/// A document whose engines run in containers of the test's image.
fn document(models: &[Value]) -> Value {
    json!({
        "version": 1,
        "defaults": {
            "images": {"vllm": IMAGE, "vllm-omni": IMAGE},
            "containers": {"shm_bytes": 64 << 20, "log_bytes": 1 << 20},
        },
        "models": models,
    })
}

fn model(name: &str, model_type: &str, engine: &Value) -> Value {
    let mut engine = engine.clone();
    engine["source"] = "Org/Model".into();
    json!({"name": name, "type": model_type, "deployments": [{"id": format!("d-{name}"), "engine": engine}]})
}

fn chat(name: &str) -> Value {
    model(name, "chat", &json!({}))
}

/// With arguments of the simulated engine.
fn simulated(name: &str, arguments: &str) -> Value {
    model(name, "chat", &json!({"env": {"ENGINE_SIM_ARGS": arguments}}))
}

async fn served(daemon: &Daemon, models: &[Value]) -> Server {
    let server = idle(daemon).await;
    server.apply(&document(models));
    server
}

async fn idle(daemon: &Daemon) -> Server {
    idle_at(&daemon.host()).await
}

async fn idle_at(host: &str) -> Server {
    idle_with(host, &Scene::none()).await
}

/// On a machine with these GPUs.
async fn idle_with(host: &str, gpus: &Scene) -> Server {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).gpus(gpus).environment("DOCKER_HOST", host);
    // The sources are made up: nobody is to look for them at the Hub.
    options.environment("HF_HUB_OFFLINE", "1").start().await
}

async fn daemon() -> Option<Daemon> {
    Daemon::start(&support::enginehouse!()).await
}

fn status(server: &Server, name: &str) -> Value {
    server.cli(&["model", "show", name, "--json"]).json()
}

async fn until_status(server: &Server, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} to be {what}"), || {
        let status = status(server, name);
        std::future::ready(is(&status).then_some(status))
    })
    .await
}

async fn until_ready(server: &Server, name: &str) -> Value {
    until_status(server, name, "ready", |status| status["state"] == "ready").await
}

/// Waits until the first replica is in this state.
async fn until_replica(server: &Server, name: &str, state: &str) -> Value {
    until_status(server, name, state, |status| replica(status)["state"] == state).await
}

fn replica(status: &Value) -> &Value {
    &status["deployments"][0]["replicas"][0]
}

/// Containers of a model, running or not.
fn containers(daemon: &Daemon, name: &str) -> Vec<String> {
    daemon.containers(&format!("label=model-name={name}"))
}

/// The engine's own process, which the first one of its container has started.
async fn engine_of(daemon: &Daemon, container: &str) -> String {
    eventually(&format!("a process in {container}"), || {
        let pid = daemon.inspect(container)["State"]["Pid"].to_string();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        std::future::ready(children.split_whitespace().next().map(str::to_owned))
    })
    .await
}

fn signal(pid: &str, signal: &str) {
    assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// Waits until a model has one container, and not that one.
async fn until_another(daemon: &Daemon, name: &str, than: &[String]) -> Vec<String> {
    eventually(&format!("another container of {name}"), || {
        let now = containers(daemon, name);
        std::future::ready((now.len() == 1 && now != than).then_some(now))
    })
    .await
}

async fn ask(server: &Server, name: &str) -> u16 {
    let body = json!({"model": name, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]});
    server.client().post("/v1/chat/completions", &body).await.status.as_u16()
}

/// Applies a document and waits for nothing.
fn apply(server: &Server, document: &Value) -> Finished {
    Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&document.to_string()))
}
