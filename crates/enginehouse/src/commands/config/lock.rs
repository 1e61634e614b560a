use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config lock --reason 'kept in https://git.example.com/llm'
  enginehouse config lock                     whether it is locked, and why

`enginehouse apply -f` goes on working: it is the way in.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LockArgs {
    /// Why: everybody whose edit is refused reads it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginehouse config unlock")]
pub(super) struct UnlockArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Lock {
    locked: bool,
    reason: Option<String>,
    by: Option<String>,
    since: Option<String>,
}

pub(super) async fn run(client: &Client, args: &LockArgs) -> anyhow::Result<()> {
    let answer = match &args.reason {
        Some(reason) => client.put("/api/v1/lock", &json!({ "locked": true, "reason": reason })).await?,
        None => client.get("/api/v1/lock").await?,
    };
    show(&answer, args.json)
}

pub(super) async fn run_unlock(client: &Client, args: &UnlockArgs) -> anyhow::Result<()> {
    show(&client.put("/api/v1/lock", &json!({ "locked": false })).await?, args.json)
}

fn show(answer: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(output::json(answer)?);
    }
    let lock: Lock = client::view(answer)?;
    let text = if lock.locked {
        let said = |part: Option<String>| part.unwrap_or_default();
        format!("Editing is locked since {} by {}: {}", said(lock.since), said(lock.by), said(lock.reason))
    } else {
        "Editing is open.".to_owned()
    };
    Ok(output::data(&output::plain(&text))?)
}
