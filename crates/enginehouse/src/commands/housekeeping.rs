use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::output;

mod show;

/// Between two looks at a run.
const POLL: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  enginehouse housekeeping status
  enginehouse housekeeping run --dry-run     what a run would take away
  enginehouse housekeeping run

Single requests are kept for 90 days unless the desired state says otherwise (`housekeeping`), where it can also be told
to run by itself. What they sum up to is kept for ever: spend, budgets and usage by day.";

/// Verbs of `housekeeping`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HousekeepingArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show how large the databases are, and what was cleaned up when
    #[command(after_help = "Example:\n  enginehouse housekeeping status")]
    Status(ShowArgs),
    /// Take away single requests that are old and keys that expired long ago, now
    #[command(after_help = "Example:\n  enginehouse housekeeping run --dry-run")]
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Only say what would be taken away
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    show: ShowArgs,
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: HousekeepingArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::Status(show) => {
            let answer = status(client).await?;
            if show.json { Ok(output::json(&answer)?) } else { show::status(&answer) }
        }
        Verb::Run(RunArgs { dry_run: true, show }) => {
            let plan = client.post("/api/v1/housekeeping/run", &json!({ "dry_run": true })).await?;
            if show.json { Ok(output::json(&plan)?) } else { show::plan(&plan) }
        }
        Verb::Run(RunArgs { dry_run: false, show }) => {
            let done = finish(client).await?;
            if show.json { Ok(output::json(&done)?) } else { show::done(&done) }
        }
    }
}

/// Begins a run and waits for its end; what it did.
async fn finish(client: &Client) -> anyhow::Result<Value> {
    let before = status(client).await?;
    client.post("/api/v1/housekeeping/run", &json!({})).await?;
    loop {
        let now = status(client).await?;
        if now["running"].is_null() {
            if now["last_run"] != before["last_run"] {
                return Ok(now["last_run"].clone());
            }
            let why = now["failed"]["message"].as_str().map_or("see the log of the service".into(), output::plain);
            anyhow::bail!("housekeeping did not get to its end: {why}; what is left is done by the next run");
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn status(client: &Client) -> anyhow::Result<Value> {
    let answer = client.get("/api/v1/housekeeping").await?;
    client::view::<show::Status>(&answer)?;
    Ok(answer)
}
