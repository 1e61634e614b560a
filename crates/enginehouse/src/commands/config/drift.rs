use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::output::{self, plain};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginehouse config drift && echo all as it should be")]
pub(super) struct DriftArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

const RESYNC_EXAMPLES: &str = "\
Examples:
  enginehouse config resync --dry-run         what would be done
  enginehouse config resync";

#[derive(Debug, Args)]
#[command(after_help = RESYNC_EXAMPLES)]
pub(super) struct ResyncArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Drift {
    revision: u64,
    differences: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
struct Difference {
    /// `file`, `gateway` or `replica`.
    kind: String,
    name: String,
    message: String,
    #[serde(default)]
    diff: Vec<String>,
    remedy: String,
}

/// What is there differs from what applies: exit status 1.
#[derive(Debug, thiserror::Error)]
#[error("what is there differs from revision {0}; `enginehouse config resync --dry-run` shows what would mend it")]
struct Drifted(u64);

pub(super) async fn run(client: &Client, args: &DriftArgs) -> anyhow::Result<()> {
    let answer = client.get("/api/v1/drift").await?;
    let drift: Drift = client::view(&answer)?;
    if args.json {
        output::json(&answer)?;
    } else {
        output::data(&render(&drift, |difference| difference.message.clone()))?;
    }
    if drift.differences.is_empty() { Ok(()) } else { Err(Drifted(drift.revision).into()) }
}

pub(super) async fn run_resync(client: &Client, args: &ResyncArgs) -> anyhow::Result<()> {
    let answer: Value = client.post(&format!("/api/v1/resync?dry_run={}", args.dry_run), &json!({})).await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    output::data(&render(&client::view(&answer)?, |difference| difference.remedy.clone()))?;
    if args.dry_run {
        output::note("Dry run: nothing was done.");
    }
    Ok(())
}

fn render(drift: &Drift, say: impl Fn(&Difference) -> String) -> String {
    if drift.differences.is_empty() {
        return format!("Everything is as revision {} says.", drift.revision);
    }
    let lines = drift.differences.iter().flat_map(|difference| {
        let head = format!("{} {}: {}", difference.kind, difference.name, say(difference));
        let below = difference.diff.iter().map(|line| format!("    {line}"));
        std::iter::once(head).chain(below).map(|line| plain(&line))
    });
    lines.collect::<Vec<_>>().join("\n")
}
