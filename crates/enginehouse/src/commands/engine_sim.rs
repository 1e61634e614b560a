use crate::cli::Globals;
use crate::logging;

/// Runs a simulated engine in the foreground: for the demo and for tests.
pub(crate) fn run(globals: &Globals, args: engine_sim::Args) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(engine_sim::run(args))?)
}
