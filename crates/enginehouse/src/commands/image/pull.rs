use clap::Args;
use serde_json::json;

use crate::client::Client;
use crate::output;

/// What to pull.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Name of the image, with its tag or digest
    image: String,
    /// Print what was pulled as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: PullArgs) -> anyhow::Result<()> {
    let PullArgs { image, json } = args;
    let outcome = super::done(client, "pulls", &json!({ "image": image })).await?;
    if json {
        return Ok(output::json(&super::outcome_json(&outcome))?);
    }
    output::note(&format!("{} is here, {}.", output::plain(&image), output::bytes(outcome.bytes)));
    Ok(output::data(&output::plain(&outcome.id.unwrap_or_default()))?)
}
