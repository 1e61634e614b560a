use std::path::PathBuf;
use std::sync::Arc;

use ambient::{Clock, Rng};
use clap::Args;
use manager::backup::{Restore, Restored};

use super::backup::{LockArgs, on_this_machine, print};
use crate::cli::Globals;
use crate::home::Home;
use crate::{logging, output};

const EXAMPLES: &str = "\
Examples:
  enginehouse restore monday.backup
  enginehouse restore monday.backup --passphrase-file /root/backup.pass --home /srv/enginehouse
  enginehouse restore monday.backup --force      sets the home that is there aside

The backup is read to its end before anything is touched, and the home is there whole or not at all. Then run
`enginehouse serve`. Requests that ran when the backup was made are in the books as interrupted.";

/// Flags of `restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    lock: LockArgs,
    /// If the home is not empty, rename it to `<home>.before-restore-<seconds>`; nothing may run on it
    #[arg(long)]
    force: bool,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
}

/// Makes a home from a backup.
pub(crate) fn run(globals: &Globals, args: RestoreArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    let home = on_this_machine(globals)?;
    super::one_thread()?.block_on(restore(&home, args))
}

async fn restore(home: &Home, args: RestoreArgs) -> anyhow::Result<()> {
    let restore = Restore {
        file: &args.file,
        passphrase: args.lock.passphrase()?.map(Arc::new),
        home: home.path(),
        set_aside: args.force,
        clock: Clock::system(),
        rng: Rng::system(),
    };
    let Restored { manifest, interrupted, set_aside } = restore.run().await?;
    print(&args.file, &manifest, args.json)?;
    if interrupted > 0 {
        output::note(&format!("{interrupted} requests ran when it was made; they are in the books as interrupted."));
    }
    if let Some(path) = set_aside {
        output::note(&format!("What was there is in {} now.", path.display()));
    }
    output::note(&format!("Restored to {}: start it with `enginehouse serve`.", home.path().display()));
    Ok(())
}
