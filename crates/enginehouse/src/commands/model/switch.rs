use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::output;

/// Which models.
#[derive(Debug, Args)]
pub(super) struct SwitchArgs {
    /// Names of the models
    #[arg(value_name = "MODEL", required_unless_present = "all")]
    models: Vec<String>,
    /// All models that have engines here; stopping goes in reverse order
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    state: String,
    ready: u32,
    replicas: u32,
    #[serde(default)]
    stopped: bool,
    deployments: Vec<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    kind: String,
}

/// Starts, stops or restarts models, one after the other.
pub(super) async fn run(client: &Client, args: SwitchArgs, verb: &str) -> anyhow::Result<()> {
    let names = if args.all { all(client, verb).await? } else { args.models };
    let mut answers = Vec::new();
    for name in &names {
        let path = format!("/api/v1/models/{}/{verb}", client::segment(name));
        let answer = client.post(&path, &json!({})).await.with_context(|| format!("model {name}"))?;
        if !args.json {
            output::note(&said(&answer)?);
        }
        answers.push(answer);
    }
    if args.json {
        return Ok(output::json(&Value::Array(answers))?);
    }
    if names.is_empty() {
        output::note("No model is concerned.");
    }
    if client.is_offline() {
        output::note("Nothing runs on this home; that holds from the next `enginehouse serve` on.");
    }
    Ok(())
}

/// The models that the verb changes, in the order in which it does.
async fn all(client: &Client, verb: &str) -> anyhow::Result<Vec<String>> {
    let models: Vec<Model> = client::view(&client.list("/api/v1/models").await?)?;
    let has_engine = |model: &Model| model.deployments.iter().any(|deployment| deployment.kind == "engine");
    let concerned = models.into_iter().filter(|model| has_engine(model) && model.stopped == (verb == "start"));
    let mut names: Vec<_> = concerned.map(|model| model.name).collect();
    if verb == "stop" {
        names.reverse();
    }
    Ok(names)
}

fn said(answer: &Value) -> anyhow::Result<String> {
    let Model { name, state, ready, replicas, .. } = client::view(answer)?;
    Ok(format!("{}: {state}, {ready}/{replicas} ready", output::plain(&name)))
}
