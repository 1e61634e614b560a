use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::Client;

mod build;
mod follow;
mod list;
mod progress;
mod prune;
mod pull;
mod rm;

const EXAMPLES: &str = "\
Examples:
  enginehouse image list
  enginehouse image build vllm-audio
  enginehouse image pull vllm/vllm-openai:v0.32.0
  enginehouse image rm vllm/vllm-openai:v0.31.0
  enginehouse image prune

A recipe is declared in the desired state, under `recipes`. What an engine needs to start is built or pulled by itself; these commands do
it beforehand, or look at it. Where the service runs, it does the work, and goes on if this command ends.";

/// Verbs of `image`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the images that engines need, and those that were built here
    #[command(after_help = "Example:\n  enginehouse image list --json | jq -r '.[] | select(.present == false).image'")]
    List(list::ListArgs),
    /// Build the image of a recipe, unless it is here
    #[command(after_help = "Example:\n  enginehouse image build vllm-audio")]
    Build(build::BuildArgs),
    /// Pull an image, also if one of this name is here
    #[command(after_help = "Example:\n  enginehouse image pull vllm/vllm-openai:v0.32.0")]
    Pull(pull::PullArgs),
    /// Remove an image that nothing needs
    #[command(after_help = "Example:\n  enginehouse image rm vllm/vllm-openai:v0.31.0")]
    Rm(rm::RmArgs),
    /// Remove images of recipes that say something else by now, or are gone
    #[command(after_help = "Example:\n  enginehouse image prune --json | jq '.bytes'")]
    Prune(prune::PruneArgs),
}

/// Runs a verb.
pub(crate) async fn run(client: &Client, args: ImageArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(client, args).await,
        Verb::Build(args) => build::run(client, args).await,
        Verb::Pull(args) => pull::run(client, args).await,
        Verb::Rm(args) => rm::run(client, args).await,
        Verb::Prune(args) => prune::run(client, args).await,
    }
}

/// Begins a task and follows it to its end; what it has brought.
async fn done(client: &Client, path: &str, body: &Value) -> anyhow::Result<follow::Outcome> {
    let begun = client.post(&format!("/api/v1/images/{path}"), body).await?;
    follow::follow(client, &begun).await
}

/// As JSON.
fn outcome_json(outcome: &follow::Outcome) -> Value {
    json!({ "image": outcome.image, "id": outcome.id, "bytes": outcome.bytes })
}
