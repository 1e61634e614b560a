use clap::{Args, Subcommand};

use crate::cli::Globals;
use crate::client::Client;
use crate::logging;

mod here;
mod list;

pub(super) use here::inventory;

const EXAMPLES: &str = "\
Examples:
  enginehouse gpu list
  enginehouse gpu list --json | jq -r '.gpus[].uuid'

Where the service runs, it tells which engines are on which GPU. Where it does not, this command looks by itself. GPUs are found
through NVML (libnvidia-ml.so.1; ENGINEHOUSE_NVML names another library), else through nvidia-smi (ENGINEHOUSE_NVIDIA_SMI).";

/// Verbs of `gpu`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GpuArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the GPUs of the machine: memory, links, slices, and which engines are on them
    #[command(after_help = "Example:\n  enginehouse gpu list --json | jq '[.gpus[].memory.free_bytes] | add'")]
    List(list::ListArgs),
}

/// Runs a verb: through the service where one runs, else here.
pub(crate) fn run(globals: &Globals, args: &GpuArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    super::one_thread()?.block_on(async {
        let client = Client::if_served(globals).await?;
        match &args.verb {
            Verb::List(args) => list::run(client.as_ref(), args).await,
        }
    })
}
