use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::changes::{self, Change};
use super::selection::Selection;
use crate::client::{self, Client};
use crate::commands::apply::Submission;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config plan                       all that is staged
  enginehouse config plan model/tiny
  enginehouse config plan -f models.yaml        a whole document, or a folder of them
  enginehouse config plan --revision 3          going back to revision 3";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    selection: Selection,
    /// A whole document, or a folder of them, instead of what is staged
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["items", "author", "all", "revision"])]
    file: Option<PathBuf>,
    /// What applied as this revision, instead of what is staged
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["items", "author", "all"])]
    revision: Option<u64>,
    /// Also staged changes of items that changed since they were edited
    #[arg(long)]
    overwrite: bool,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Plan {
    revision: u64,
    items: Vec<Change>,
    #[serde(default)]
    unfit: Vec<Unfit>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

/// A staged change that could not be applied.
#[derive(Debug, Deserialize)]
struct Unfit {
    kind: String,
    name: String,
    errors: Vec<String>,
    staged: Staged,
}

#[derive(Debug, Deserialize)]
struct Staged {
    author: String,
}

#[derive(Debug, Deserialize)]
struct Warning {
    path: String,
    message: String,
}

pub(super) async fn run(client: &Client, args: &PlanArgs) -> anyhow::Result<()> {
    let answer = match (&args.file, args.revision) {
        (Some(file), _) => {
            let submission = Submission::read(file, "")?;
            let sent = client.post("/api/v1/plan", &document(&submission)?).await;
            sent.map_err(|error| submission.explain(error))?
        }
        (None, Some(number)) => client.post("/api/v1/plan", &json!({ "revision": number })).await?,
        (None, None) => {
            let body = json!({ "staged": args.selection.or_all(), "overwrite": args.overwrite });
            client.post("/api/v1/plan", &body).await?
        }
    };
    let plan: Plan = client::view(&answer)?;
    if args.json {
        output::json(&answer)?;
        return plan.fitness();
    }
    let mut text = changes::render(&plan.items, "Nothing would change.");
    for Warning { path, message } in &plan.warnings {
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        text.push('\n');
        text += &output::plain(&format!("warning: {place}{message}"));
    }
    output::data(&text)?;
    output::note(&format!("Against revision {}; nothing was written.", plan.revision));
    plan.fitness()
}

// === impl Plan ===

impl Plan {
    /// An error that names the staged changes that are not in the plan.
    fn fitness(&self) -> anyhow::Result<()> {
        if self.unfit.is_empty() {
            return Ok(());
        }
        let mut text = match self.unfit.len() {
            1 => "one staged change cannot be applied as it is, and is left out of this plan:".to_owned(),
            count => format!("{count} staged changes cannot be applied as they are, and are left out of this plan:"),
        };
        for Unfit { kind, name, errors, staged } in &self.unfit {
            for error in errors {
                text += &output::plain(&format!("\n  {kind} {name} (by {}): {error}", staged.author));
            }
        }
        anyhow::bail!(text + "\nedit them again, or discard them: enginehouse config discard KIND/NAME")
    }
}

fn document(submission: &Submission) -> anyhow::Result<Map<String, Value>> {
    let Value::Object(mut fields) = serde_json::to_value(submission)? else { return Ok(Map::new()) };
    fields.remove("message");
    Ok(fields)
}
