use clap::Args;
use serde_json::json;

use crate::client::Client;
use crate::output;

/// How to say what was removed.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: PruneArgs) -> anyhow::Result<()> {
    let outcome = super::done(client, "prune", &json!({})).await?;
    if args.json {
        return Ok(output::json(&json!({ "removed": outcome.removed, "bytes": outcome.bytes }))?);
    }
    let (count, bytes) = (outcome.removed.len(), output::bytes(outcome.bytes));
    output::note(&format!("{count} images removed, {bytes} (less what others share)"));
    for image in &outcome.removed {
        output::data(&output::plain(image))?;
    }
    Ok(())
}
