//! Desired states that tests apply.

use serde_json::{Value, json};

use crate::{Engine, Program};

/// A document with these models.
pub fn of(models: &[Value]) -> Value {
    json!({"version": 1, "models": models})
}

/// A model of `model_type` that an engine outside serves, under the price of the contract's example.
pub fn endpoint(name: &str, model_type: &str, engine: &Engine, upstream: &str) -> Value {
    json!({
        "name": name,
        "type": model_type,
        "deployments": [{"endpoint": {"url": engine.url(), "model": upstream}}],
        "price": {"input": 0.10, "output": 0.40},
    })
}

/// A whole document with one chat model `name` served by `engine`, which must have been started with `--model name`.
pub fn chat(name: &str, engine: &Engine) -> Value {
    of(&[endpoint(name, "chat", engine, name)])
}

/// A model that the server runs itself: this binary as a simulated engine under the `process` runtime.
pub fn process(name: &str, model_type: &str, program: &Program, extra: &[&str]) -> Value {
    let binary = program.path().to_str().unwrap();
    let mut command = vec![binary, "engine-sim", "--port", "{port}", "--model", "{name}", "--type", model_type];
    command.extend(extra);
    json!({
        "name": name,
        "type": model_type,
        "deployments": [{"engine": {"source": "sim/model", "runtime": "process", "command": command}}],
        "price": {"input": 0.10, "output": 0.40},
    })
}
