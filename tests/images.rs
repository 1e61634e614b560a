//! Images of engines, on a real Docker daemon: built from recipes, pulled, listed, removed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use serde_json::{Value, json};
use support::docker::{Daemon, IMAGE, TOOLS};
use support::{Finished, Server, ServerOptions, eventually};

#[path = "images/engines.rs"]
mod engines;
#[path = "images/no_engine.rs"]
mod no_engine;
#[path = "images/pulls.rs"]
mod pulls;
#[path = "images/recipes.rs"]
mod recipes;
#[path = "images/removing.rs"]
mod removing;

async fn daemon() -> Option<Daemon> {
    let daemon = Daemon::start(&support::enginehouse!()).await?;
    daemon.make_tools();
    Some(daemon)
}

async fn server(daemon: &Daemon) -> Server {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).environment("DOCKER_HOST", &daemon.host());
    // The sources are made up: nobody is to look for them at the Hub.
    options.environment("HF_HUB_OFFLINE", "1").start().await
}

/// One model `m` with replicas, whose engine has these fields, beside these recipes.
fn document(engine: &Value, recipes: &Value) -> Value {
    let mut engine = engine.clone();
    engine["source"] = "Org/Model".into();
    json!({
        "version": 1,
        "defaults": {"images": {"vllm": IMAGE, "vllm-omni": IMAGE}, "containers": {"shm_bytes": 64 << 20}},
        "recipes": recipes,
        "models": [{"name": "m", "type": "chat", "deployments": [{"id": "d", "engine": engine}]}],
    })
}

fn apply(server: &Server, document: &Value) -> Finished {
    Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&document.to_string()))
}

fn status(server: &Server) -> Value {
    server.cli(&["model", "show", "m", "--json"]).json()
}

async fn until_status(server: &Server, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("the model to be {what}"), || {
        let status = status(server);
        std::future::ready(is(&status).then_some(status))
    })
    .await
}

async fn until_ready(server: &Server) {
    until_status(server, "ready", |status| status["state"] == "ready").await;
}

fn replica(status: &Value) -> &Value {
    &status["deployments"][0]["replicas"][0]
}

/// The row of an image whose name begins like this.
fn row(server: &Server, name: &str) -> Option<Value> {
    let images = server.cli(&["image", "list", "--json"]).json();
    images.as_array().unwrap().iter().find(|row| row["image"].as_str().unwrap().starts_with(name)).cloned()
}
