//! Which engine gets which GPU, on machines that a stand-in for NVIDIA's library plays: the real wrapper loads it as it loads the
//! real one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;

use serde_json::{Value, json};
use support::{Finished, Program, Scene, Server, ServerOptions, document, eventually, until};

#[path = "gpus/places.rs"]
mod places;
#[path = "gpus/refusals.rs"]
mod refusals;
#[path = "gpus/shared.rs"]
mod shared;
#[path = "gpus/sizes.rs"]
mod sizes;
#[path = "gpus/trouble.rs"]
mod trouble;

async fn on(scene: &Scene) -> (Program, Server) {
    let program = support::enginehouse!();
    // Made-up sources are looked for at no Hub.
    let options = ServerOptions::new(&program).gpus(scene).environment("HF_HUB_OFFLINE", "1");
    let server = options.start().await;
    (program, server)
}

/// A model that a process serves, on these GPUs, with more fields of its engine.
fn model(program: &Program, name: &str, gpus: &Value, more: &Value) -> Value {
    let mut model = document::process(name, "chat", program, &[]);
    model["deployments"][0]["id"] = format!("d-{name}").into();
    let engine = model["deployments"][0]["engine"].as_object_mut().unwrap();
    engine.insert("gpus".to_owned(), gpus.clone());
    engine.extend(more.as_object().unwrap().clone());
    model
}

/// The same, and its start never ends.
fn endless(program: &Program, name: &str, gpus: &Value, more: &Value) -> Value {
    let mut model = model(program, name, gpus, more);
    let command = model["deployments"][0]["engine"]["command"].as_array_mut().unwrap();
    command.extend([json!("--start-delay-ms"), json!("600000")]);
    model
}

/// Applies and waits for nothing.
fn apply(server: &Server, document: &Value) -> Finished {
    Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&document.to_string()))
}

fn replica(server: &Server, name: &str) -> Value {
    server.cli(&["model", "show", name, "--json"]).json()["deployments"][0]["replicas"][0].clone()
}

/// Waits until the first replica of a model has a state and says something.
async fn until_says(server: &Server, name: &str, state: &str, text: &str) -> String {
    let what = format!("{name} to be {state} and say {text}");
    eventually(&what, || {
        let now = replica(server, name);
        let message = now["message"].as_str().unwrap_or_default().to_owned();
        std::future::ready((now["state"] == state && message.contains(text)).then_some(message))
    })
    .await
}

fn gpus(server: &Server) -> Value {
    server.cli(&["gpu", "list", "--json"]).json()
}
