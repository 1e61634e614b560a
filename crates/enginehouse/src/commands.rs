//! One file per command; this one chooses.

use std::future::Future;

use crate::cli::{Cli, Command};
use crate::logging;

pub(crate) mod apply;
pub(crate) mod completions;
pub(crate) mod model;
mod schema;

/// Runs what was typed.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let globals = &cli.globals;
    match cli.command {
        Command::Apply(args) => client(globals, apply::run(globals, args)),
        Command::Schema => schema::run(),
        Command::Model(args) => client(globals, model::run(globals, args)),
        Command::Completions(args) => completions::run(&args),
    }
}

/// Runs a command that talks to a service: quiet logs, and one thread, because a thread that acts as the
/// home's owner must have been started by one that does (see `client`).
fn client(globals: &crate::cli::Globals, command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
