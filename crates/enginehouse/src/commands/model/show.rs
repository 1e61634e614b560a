use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::placement::Placement;
use crate::client::{self, Client};
use crate::output::{self, Column, Table};

/// Which model.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Name of the model
    #[arg(value_name = "MODEL")]
    model: String,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    state: String,
    ready: u32,
    replicas: u32,
    url: String,
    direct_url: String,
    #[serde(default)]
    open_url: Option<String>,
    deployments: Vec<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    replicas: Vec<Replica>,
    #[serde(default)]
    before: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    id: String,
    state: String,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    container: Option<String>,
    restarts: u32,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    placement: Option<Placement>,
    #[serde(default)]
    last_lines: Vec<String>,
}

/// What a replica uses of the machine, and may use.
#[derive(Debug, Deserialize)]
struct Resources {
    id: String,
    #[serde(default)]
    cpus_used: Option<f64>,
    #[serde(default)]
    cpus: Option<f64>,
    #[serde(default)]
    memory_bytes_used: Option<u64>,
    #[serde(default)]
    memory_bytes: Option<u64>,
}

/// Shows one model.
pub(super) async fn run(client: &Client, args: ShowArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/models/{}", client::segment(&args.model));
    let mut answer = client.get(&path).await.with_context(|| format!("model {}", args.model))?;
    let resources = client.get(&format!("{path}/resources")).await?;
    if args.json {
        add_resources(&mut answer, &resources);
        return Ok(output::json(&answer)?);
    }
    let model: Model = client::view(&answer)?;
    let Model { name, kind, state, ready, replicas, .. } = &model;
    output::note(&format!("{} ({kind}): {state}, {ready}/{replicas} ready", output::plain(name)));
    for (what, url) in
        [("mediated", Some(&model.url)), ("direct", Some(&model.direct_url)), ("open", model.open_url.as_ref())]
    {
        if let Some(url) = url {
            output::note(&format!("  {what:9} {}", output::plain(url)));
        }
    }
    let all = model.deployments.iter().flat_map(|deployment| deployment.replicas.iter().chain(&deployment.before));
    let replicas: Vec<_> = all.collect();
    let used: Vec<Resources> = client::view(&resources)?;
    output::table(&table(&replicas, &used))?;
    for replica in replicas {
        if let Some(message) = replica.message.as_deref().filter(|message| !message.is_empty()) {
            output::note(&format!("{}: {}", replica.id, output::plain(message)));
        }
        if let Some(placement) = &replica.placement {
            output::note(&format!("{}: {placement}", replica.id));
        }
        for line in &replica.last_lines {
            output::note(&format!("  | {}", output::plain(line)));
        }
    }
    Ok(())
}

/// Gives each replica what it uses of the machine, as `resources`.
fn add_resources(model: &mut Value, resources: &Value) {
    let deployments = model["deployments"].as_array_mut().into_iter().flatten();
    for deployment in deployments {
        for list in ["replicas", "before"] {
            for replica in deployment.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let mut all = resources.as_array().into_iter().flatten();
                if let Some(mut own) = all.find(|own| own["id"] == replica["id"]).cloned() {
                    own.as_object_mut().map(|own| own.remove("id"));
                    replica["resources"] = own;
                }
            }
        }
    }
}

// === impl Resources ===

impl Resources {
    fn cpu(&self) -> String {
        let used = self.cpus_used.map_or_else(|| "-".to_owned(), |cpus| format!("{cpus:.1}"));
        self.cpus.map_or(used.clone(), |most| format!("{used} of {most}"))
    }

    fn memory(&self) -> String {
        let used = self.memory_bytes_used.map_or_else(|| "-".to_owned(), output::bytes);
        self.memory_bytes.map_or(used.clone(), |most| format!("{used} of {}", output::bytes(most)))
    }
}

fn table(replicas: &[&Replica], used: &[Resources]) -> Table {
    let titles = ["REPLICA", "STATE", "ADDRESS", "RUNS AS"].map(Column::text);
    let numbers = ["RESTARTS", "CPUS", "MEMORY"].map(Column::number);
    let mut table = Table::new(&[titles.as_slice(), &numbers].concat());
    for replica in replicas {
        let pid = replica.pid.map(|pid| format!("pid {pid}"));
        let runs_as = replica.container.clone().or(pid).unwrap_or_else(|| "-".to_owned());
        let address = replica.address.clone().unwrap_or_else(|| "-".to_owned());
        let own = used.iter().find(|used| used.id == replica.id);
        table.push(vec![
            replica.id.clone(),
            replica.state.clone(),
            address,
            runs_as,
            replica.restarts.to_string(),
            own.map_or_else(|| "-".to_owned(), Resources::cpu),
            own.map_or_else(|| "-".to_owned(), Resources::memory),
        ]);
    }
    table
}
