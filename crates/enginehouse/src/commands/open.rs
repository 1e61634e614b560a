use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use crate::client::{self, Client};
use crate::output::{self, Column, Table};

const EXAMPLES: &str = "\
Examples:
  enginehouse open status
  enginehouse open off      shuts all open routes at once; `on` opens them again

A model is open if its `open_access` is true in the desired state and the switch is on.";

/// Verbs of `open`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OpenArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show whether open routes are open, and to which models they lead
    #[command(after_help = "Example:\n  enginehouse open status")]
    Status(ShowArgs),
    /// Open them
    #[command(after_help = "Example:\n  enginehouse open on")]
    On(ShowArgs),
    /// Shut them all; at once effective
    #[command(after_help = "Example:\n  enginehouse open off")]
    Off(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// The open routes as the admin API shows them.
#[derive(Debug, Deserialize)]
struct OpenRoutes {
    open: bool,
    models: Vec<OpenModel>,
    #[serde(default)]
    warning: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OpenModel {
    name: String,
    url: String,
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: OpenArgs) -> anyhow::Result<()> {
    let (answer, show) = match args.verb {
        Verb::Status(show) => (client.get("/api/v1/open-routes").await?, show),
        Verb::On(show) => (client.put("/api/v1/open-routes", &json!({ "open": true })).await?, show),
        Verb::Off(show) => (client.put("/api/v1/open-routes", &json!({ "open": false })).await?, show),
    };
    if show.json {
        return Ok(output::json(&answer)?);
    }
    let routes: OpenRoutes = client::view(&answer)?;
    output::note(&summary(&routes));
    if !routes.models.is_empty() {
        output::table(&table(&routes.models))?;
    }
    if let Some(warning) = &routes.warning {
        output::note(&format!("warning: {}", output::plain(warning)));
    }
    Ok(())
}

fn summary(routes: &OpenRoutes) -> String {
    let models = match routes.models.len() {
        0 => "no model allows it (`open_access: true` in the desired state)".to_owned(),
        1 => "1 model allows it".to_owned(),
        count => format!("{count} models allow it"),
    };
    let state = if routes.open { "open" } else { "shut" };
    format!("Open routes are {state}; {models}.")
}

fn table(models: &[OpenModel]) -> Table {
    let mut table = Table::new(&[Column::text("MODEL"), Column::text("URL")]);
    for model in models {
        table.push(vec![model.name.clone(), model.url.clone()]);
    }
    table
}
