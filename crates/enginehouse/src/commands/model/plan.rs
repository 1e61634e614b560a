use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::placement::Placement;
use crate::client::{self, Client};
use crate::output::{self, Column, Table};

/// Which models.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Names of the models; all that have engines unless given
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    deployments: Vec<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    kind: String,
}

/// What a pass makes of a replica; only what is shown.
#[derive(Debug, Deserialize)]
struct Replica {
    id: String,
    observed: Option<Observed>,
    wanted: Option<Wanted>,
    action: String,
    why: String,
}

#[derive(Debug, Deserialize)]
struct Observed {
    state: String,
    definition: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    gpus: Vec<String>,
    #[serde(default)]
    placement: Option<Placement>,
    definition: String,
}

/// Explains what happens next, model by model.
pub(super) async fn run(client: &Client, args: PlanArgs) -> anyhow::Result<()> {
    let names = if args.models.is_empty() { with_engines(client).await? } else { args.models };
    let mut plans = Vec::new();
    for name in names {
        let path = format!("/api/v1/models/{}/plan", client::segment(&name));
        let answer = client.get(&path).await.with_context(|| format!("model {name}"))?;
        plans.push((name, answer));
    }
    if args.json {
        let all = plans.into_iter().map(|(name, replicas)| json!({ "model": name, "replicas": replicas }));
        return Ok(output::json(&Value::Array(all.collect()))?);
    }
    if plans.is_empty() {
        output::note("No model has an engine here.");
        return Ok(());
    }
    let mut all = Vec::new();
    for (_, answer) in &plans {
        all.extend(client::view::<Vec<Replica>>(answer)?);
    }
    output::table(&table(&all))?;
    for Replica { id, why, wanted, .. } in &all {
        output::note(&format!("{id}: {}", output::plain(why)));
        if let Some(placement) = wanted.as_ref().and_then(|wanted| wanted.placement.as_ref()) {
            output::note(&format!("{id}: {placement}"));
        }
    }
    if client.is_offline() {
        output::note("Nothing runs on this home; that is what the next `enginehouse serve` does first.");
    }
    Ok(())
}

async fn with_engines(client: &Client) -> anyhow::Result<Vec<String>> {
    let models: Vec<Model> = client::view(&client.list("/api/v1/models?limit=1000").await?)?;
    let has_engine = |model: &Model| model.deployments.iter().any(|deployment| deployment.kind == "engine");
    Ok(models.into_iter().filter(has_engine).map(|model| model.name).collect())
}

fn table(replicas: &[Replica]) -> Table {
    let mut table = Table::new(&["REPLICA", "IS", "RUNS", "WANTED", "GPUS", "DOES"].map(Column::text));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for replica in replicas {
        let observed = replica.observed.as_ref();
        let gpus = replica.wanted.as_ref().map(|wanted| wanted.gpus.join(",")).filter(|gpus| !gpus.is_empty());
        table.push(vec![
            replica.id.clone(),
            or_none(observed.map(|observed| observed.state.clone())),
            or_none(observed.and_then(|observed| observed.definition.clone())),
            or_none(replica.wanted.as_ref().map(|wanted| wanted.definition.clone())),
            or_none(gpus),
            replica.action.replace('_', " "),
        ]);
    }
    table
}
