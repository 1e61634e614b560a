use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::follow::{self, End};
use crate::client::{self, Client};
use crate::exit::UsageError;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse model rm qwen
  enginehouse model rm qwen whisper --yes
  enginehouse model rm --all --yes

Each is a change set of its own; several go in reverse order. Their engines answer what they have, and end. What they used stays in
the books, what was fetched for them in the cache (`enginehouse hub rm`), and `enginehouse config rollback` brings them back.";

/// Flags of `model rm`.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RmArgs {
    /// Names of the models
    #[arg(value_name = "MODEL", required_unless_present = "all")]
    models: Vec<String>,
    /// All models
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
    /// End as soon as it is committed
    #[arg(long)]
    no_wait: bool,
    /// Print what came of it as JSON
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
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    id: String,
}

/// Removes models, one after the other.
pub(super) async fn run(client: &Client, args: RmArgs) -> anyhow::Result<()> {
    let mut models = chosen(client, &args).await?;
    models.reverse();
    if models.is_empty() {
        output::note("There is no model.");
    } else if !args.yes && !confirmed(&models)? {
        output::note("Nothing was removed.");
        return Ok(());
    }
    let mut answers = Vec::new();
    for model in &models {
        let answer = client.delete(&path(&model.name)).await.with_context(|| format!("model {}", model.name))?;
        if !args.json {
            output::note(&format!("{} is removed: revision {}.", output::plain(&model.name), answer["revision"]));
        }
        if !args.no_wait && !client.is_offline() && leave(client, model).await? == End::Interrupted {
            output::note("Not followed any more; it ends by itself.");
            return Ok(());
        }
        answers.push(json!({ "model": model.name, "revision": answer["revision"] }));
    }
    if args.json {
        output::json(&Value::Array(answers))?;
    }
    Ok(())
}

/// Those that are meant, each of which is there: else nothing is removed.
async fn chosen(client: &Client, args: &RmArgs) -> anyhow::Result<Vec<Model>> {
    if args.all {
        return client::view(&client.list("/api/v1/models").await?);
    }
    let mut models = Vec::new();
    for name in &args.models {
        let found = client.get(&path(name)).await.with_context(|| format!("model {name}"))?;
        models.push(client::view(&found)?);
    }
    Ok(models)
}

async fn leave(client: &Client, model: &Model) -> anyhow::Result<End> {
    let engines = model.deployments.iter().filter(|deployment| deployment.kind == "engine");
    let replicas: Vec<_> = engines.flat_map(|deployment| &deployment.replicas).map(|r| r.id.clone()).collect();
    follow::until_gone(client, &replicas).await
}

fn confirmed(models: &[Model]) -> anyhow::Result<bool> {
    let names: Vec<_> = models.iter().map(|model| output::plain(&model.name)).collect();
    let names = names.join(", ");
    if !io::stdin().is_terminal() {
        return Err(UsageError(format!("nobody can be asked whether {names} shall go: give --yes")).into());
    }
    output::raw_note(&format!("Remove {names}? [y/N] "));
    let mut said = String::new();
    io::stdin().lock().read_line(&mut said)?;
    Ok(matches!(said.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn path(model: &str) -> String {
    format!("/api/v1/models/{}", client::segment(model))
}
