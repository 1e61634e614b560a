use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::client::{self, Client};
use crate::output::{self, Column, Table};

mod add;
mod follow;
mod logs;
mod placement;
mod plan;
mod rm;
mod show;
mod switch;
mod test;
mod url;

use plan::PlanArgs;
use show::ShowArgs;
use switch::SwitchArgs;

const LIST_EXAMPLES: &str = "\
Examples:
  enginehouse model list
  enginehouse model list --json | jq '.[] | select(.ready | not) | .name'";

const SHOW_EXAMPLES: &str = "\
Examples:
  enginehouse model show qwen
  enginehouse model show qwen --json | jq .deployments";

const PLAN_EXAMPLES: &str = "\
Examples:
  enginehouse model plan
  enginehouse model plan qwen --json | jq '.[].replicas[] | select(.action != \"nothing\")'";

/// Verbs of `model`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  enginehouse model add Qwen/Qwen3-8B --gpus 0\n  enginehouse model list")]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a model: fetch it, start it, and follow it until it serves
    Add(Box<add::AddArgs>),
    /// List the models, whether each can serve, and why not
    List(ListArgs),
    /// Show a model, its replicas and why any is not ready
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Start the engines of models that were stopped
    #[command(after_help = "Example:\n  enginehouse model start qwen")]
    Start(SwitchArgs),
    /// Stop the engines of models: they answer what they have and end, until `model start`
    #[command(after_help = "Examples:\n  enginehouse model stop qwen\n  enginehouse model stop --all")]
    Stop(SwitchArgs),
    /// Restart the engines of models
    #[command(after_help = "Example:\n  enginehouse model restart qwen")]
    Restart(SwitchArgs),
    /// Replace the engines of models by others of the same definition, while they serve where there is room for both
    #[command(after_help = "Example:\n  enginehouse model replace qwen && enginehouse model plan qwen")]
    Replace(SwitchArgs),
    /// Explain the next pass of the reconciler: what is there, what is wanted, what it does, and why
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Remove models: their engines answer what they have and end
    Rm(rm::RmArgs),
    /// Ask models for real: whether they answer, how fast, and which engine does
    Test(test::TestArgs),
    /// Say where a model is, and how it is asked
    Url(url::UrlArgs),
    /// Show the last lines that a model's replicas have printed, and those that they print
    Logs(logs::LogsArgs),
}

#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// A model as the admin API shows it; only what the table needs.
#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    ready: u32,
    #[serde(default)]
    replicas: u32,
    #[serde(default)]
    deployments: Vec<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    id: String,
    state: String,
    #[serde(default)]
    message: Option<String>,
}

// === impl ModelArgs ===

impl ModelArgs {
    /// Whether a home is made for it where there is none.
    pub(crate) const fn is_add(&self) -> bool {
        matches!(self.verb, Verb::Add(_))
    }
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: ModelArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(list) => run_list(client, &list).await,
        Verb::Show(show) => show::run(client, show).await,
        Verb::Start(models) => switch::run(client, models, "start").await,
        Verb::Stop(models) => switch::run(client, models, "stop").await,
        Verb::Restart(models) => switch::run(client, models, "restart").await,
        Verb::Replace(models) => switch::run(client, models, "replace").await,
        Verb::Plan(plan) => plan::run(client, plan).await,
        Verb::Add(args) => add::run(client, *args).await,
        Verb::Rm(args) => rm::run(client, args).await,
        Verb::Test(args) => test::run(client, args).await,
        Verb::Url(args) => url::run(client, args).await,
        Verb::Logs(args) => logs::run(client, args).await,
    }
}

/// Names of all models.
async fn names(client: &Client) -> anyhow::Result<Vec<String>> {
    let models: Vec<Model> = client::view(&client.list("/api/v1/models").await?)?;
    Ok(models.into_iter().map(|model| model.name).collect())
}

async fn run_list(client: &Client, args: &ListArgs) -> anyhow::Result<()> {
    let answer = client.list("/api/v1/models?limit=1000").await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let models: Vec<Model> = client::view(&answer)?;
    if models.is_empty() {
        output::note("No models yet: `enginehouse model add Qwen/Qwen3-8B --gpus 0`, or `enginehouse apply -f FILE`.");
        return Ok(());
    }
    output::table(&table(&models, client.is_offline()))?;
    if client.is_offline() {
        output::note("Nothing runs on this home: the models start with `enginehouse serve`.");
    }
    let faults = faults(&models);
    if !faults.is_empty() {
        output::note(&faults);
    }
    Ok(())
}

/// Where nothing runs, there is no address to show.
fn table(models: &[Model], offline: bool) -> Table {
    let url = if offline { None } else { Some(Column::text("URL")) };
    let columns = [Column::text("MODEL"), Column::text("TYPE"), Column::text("STATE"), Column::text("READY")]
        .into_iter()
        .chain(url);
    let mut table = Table::new(&columns.collect::<Vec<_>>());
    for model in models {
        let ready = format!("{}/{}", model.ready, model.replicas);
        let state = if offline { "-".to_owned() } else { model.state.clone() };
        table.push(vec![model.name.clone(), model.kind.clone(), state, ready, model.url.clone().unwrap_or_default()]);
    }
    table
}

fn faults(models: &[Model]) -> String {
    let mut text = String::new();
    for model in models {
        for deployment in &model.deployments {
            if let Some(message) = deployment.message.as_deref().filter(|message| !message.is_empty()) {
                let Deployment { id, state, .. } = deployment;
                let _ = writeln!(text, "{} ({id}, {state}): {}", output::plain(&model.name), output::plain(message));
            }
        }
    }
    text.trim_end().to_owned()
}
