use clap::Args;
use serde_json::json;

use super::changes::{self, Change};
use super::item::Item;
use crate::client::{self, Client};
use crate::commands::apply::How;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config plan --revision 7         what going back would do, field by field
  enginehouse config rollback 7 --wait         apply revision 7 again, as a new revision
  enginehouse config rollback 7 --stage        stage what leads back, to pick from it";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RollbackArgs {
    /// Number of the revision; 0 is the empty state before the first
    revision: u64,
    /// Stage what leads back, and apply nothing
    #[arg(long, conflicts_with_all = ["dry_run", "atomic", "wait", "message"])]
    stage: bool,
    #[command(flatten)]
    how: How,
}

// === impl RollbackArgs ===

impl RollbackArgs {
    pub(super) const fn waits(&self) -> bool {
        self.how.waits()
    }
}

pub(super) async fn run(client: &Client, args: &RollbackArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/revisions/{}", args.revision);
    if !args.stage {
        let body = json!({ "message": args.how.message });
        let answer = client.post(&format!("{path}/rollback{}", args.how.query()), &body).await?;
        return args.how.finish(client, answer).await;
    }
    let answer = client.post(&format!("{path}/stage"), &json!({})).await?;
    if args.how.is_json() {
        return Ok(output::json(&answer)?);
    }
    let items: Vec<Item> = client::view(&answer)?;
    let changes: Vec<_> = items.iter().filter_map(Change::of).collect();
    output::data(&changes::render(&changes, "Nothing leads back: it applies now."))?;
    if !changes.is_empty() {
        output::note("Staged; `enginehouse config apply --all` applies it.");
    }
    Ok(())
}
