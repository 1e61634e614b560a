use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Rng};
use clap::Args;
use manager::PostgresUrl;
use manager::backup::{Restore, Restored};

use super::backup::{LockArgs, on_this_machine, print, told};
use crate::cli::Globals;
use crate::home::Home;
use crate::{fault_points, logging, output, span};

mod steps;

const EXAMPLES: &str = "\
Examples:
  enginehouse restore                            after a reboot: shows step by step how what ran comes back
  enginehouse restore monday.backup
  enginehouse restore monday.backup --passphrase-file /root/backup.pass --home /srv/enginehouse
  enginehouse restore monday.backup --force      sets the home that is there aside

Without a file: what ran before runs again by itself once `enginehouse serve` does; this shows GPUs, Docker, network, images, models
and gateway on their way, and ends when all of it is there.

The backup is read to its end before anything is touched, and the home is there whole or not at all. Then run
`enginehouse serve`. With ENGINEHOUSE_DATABASE_URL, what the store holds goes into that PostgreSQL, whichever database the
backup was made of. Requests that ran when the backup was made are in the books as interrupted.";

/// Flags of `restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup; without one, the service that runs is followed until what ran before is back
    file: Option<PathBuf>,
    #[command(flatten)]
    lock: LockArgs,
    /// If the home is not empty, rename it to `<home>.before-restore-<seconds>`, and so the schemas of a database; nothing may
    /// run on them
    #[arg(long, requires = "file")]
    force: bool,
    /// How long to follow at most, without a backup
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span::duration)]
    timeout: Duration,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
}

// === impl RestoreArgs ===

impl RestoreArgs {
    pub(super) const fn has_file(&self) -> bool {
        self.file.is_some()
    }
}

/// Makes a home from a backup; without one, follows how what ran comes back.
pub(crate) fn run(globals: &Globals, args: RestoreArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    let Some(file) = args.file.clone() else {
        return super::one_thread()?.block_on(steps::follow(globals, args.timeout, args.json));
    };
    let (home, database) = on_this_machine(globals)?;
    super::one_thread()?.block_on(restore(&home, database, &file, args))
}

async fn restore(home: &Home, database: Option<PostgresUrl>, file: &Path, args: RestoreArgs) -> anyhow::Result<()> {
    let restore = Restore {
        file,
        passphrase: args.lock.passphrase()?.map(Arc::new),
        home: home.path(),
        database,
        set_aside: args.force,
        clock: Clock::system(),
        rng: Rng::system(),
        progress: told(),
        fault_points: fault_points::from_environment(),
    };
    let Restored { manifest, interrupted, set_aside, schemas } = restore.run().await?;
    print(file, &manifest, args.json)?;
    if interrupted > 0 {
        output::note(&format!("{interrupted} requests ran when it was made; they are in the books as interrupted."));
    }
    if let Some(path) = set_aside {
        output::note(&format!("What was there is in {} now.", path.display()));
    }
    if !schemas.is_empty() {
        output::note(&format!("What was in the database is in the schemas {} now.", schemas.join(" and ")));
    }
    output::note(&format!("Restored to {}: start it with `enginehouse serve`.", home.path().display()));
    Ok(())
}
