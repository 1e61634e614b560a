use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::client::Client;
use crate::output;

/// What to build.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Name of a recipe
    recipe: String,
    /// Print what was built as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: BuildArgs) -> anyhow::Result<()> {
    let BuildArgs { recipe, json } = args;
    let outcome = super::done(client, "builds", &json!({ "recipe": recipe })).await;
    let outcome = outcome.with_context(|| format!("recipe {recipe}"))?;
    if json {
        return Ok(output::json(&super::outcome_json(&outcome))?);
    }
    output::note(&format!("The image of {recipe} is here, {}.", output::bytes(outcome.bytes)));
    Ok(output::data(&output::plain(&outcome.image.unwrap_or_default()))?)
}
