use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::Globals;
use crate::client::Client;
use crate::logging;

mod direct;
mod list;
mod progress;
mod pull;
mod rm;
mod served;

const EXAMPLES: &str = "\
Examples:
  enginehouse hub pull Qwen/Qwen3-8B
  enginehouse hub pull Qwen/Qwen3-8B --revision v1.0 --include '*.safetensors' --include '*.json'
  enginehouse hub list
  enginehouse hub rm Qwen/Qwen3-8B --revision v1.0

Where the service runs, it pulls into its own cache, and goes on if this command ends. Where it does not, this command works on the
cache of whoever types it: HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub, as in Python tools. HF_ENDPOINT names a mirror,
HF_TOKEN (or `hf auth login`) opens what is private or gated.";

/// Verbs of `hub`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HubArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Fetch a model from the Hugging Face Hub, or what is missing of it
    #[command(
        after_help = "Example:\n  enginehouse hub pull Qwen/Qwen3-8B --include '*.safetensors' --include '*.json'"
    )]
    Pull(pull::PullArgs),
    /// Show the models in the cache and what they take
    #[command(after_help = "Example:\n  enginehouse hub list --json | jq '[.[].bytes] | add'")]
    List(list::ListArgs),
    /// Remove a model from the cache, or one revision of it
    #[command(after_help = "Example:\n  enginehouse hub rm Qwen/Qwen3-8B --revision v1.0")]
    Rm(rm::RmArgs),
}

/// Whose cache it is.
enum Place {
    /// That of a service.
    Served(Client),
    /// That of whoever types it.
    Direct(Box<direct::Direct>),
}

/// Runs a verb: through the service where one runs, else here.
pub(crate) fn run(globals: &Globals, args: HubArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    super::one_thread()?.block_on(async {
        let place = match Client::if_served(globals).await? {
            Some(client) => Place::Served(client),
            None => Place::Direct(Box::new(direct::Direct::new(globals)?)),
        };
        match args.verb {
            Verb::Pull(args) => pull::run(&place, args).await,
            Verb::List(args) => list::run(&place, args).await,
            Verb::Rm(args) => rm::run(&place, args).await,
        }
    })
}

/// A folder as it is shown.
fn shown(path: &Path) -> String {
    crate::output::plain(&path.display().to_string())
}
