use std::path::PathBuf;
use std::sync::Arc;

use ambient::{Clock, Rng};
use clap::Args;
use manager::PostgresUrl;
use manager::backup::{Restore, Restored};

use super::backup::{LockArgs, on_this_machine, print, told};
use crate::cli::Globals;
use crate::home::Home;
use crate::{fault_points, logging, output};

const EXAMPLES: &str = "\
Examples:
  enginehouse restore monday.backup
  enginehouse restore monday.backup --passphrase-file /root/backup.pass --home /srv/enginehouse
  enginehouse restore monday.backup --force      sets the home that is there aside

The backup is read to its end before anything is touched, and the home is there whole or not at all. Then run
`enginehouse serve`. With ENGINEHOUSE_DATABASE_URL, what the store holds goes into that PostgreSQL, whichever database the
backup was made of. Requests that ran when the backup was made are in the books as interrupted.";

/// Flags of `restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    lock: LockArgs,
    /// If the home is not empty, rename it to `<home>.before-restore-<seconds>`, and so the schemas of a database; nothing may
    /// run on them
    #[arg(long)]
    force: bool,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
}

/// Makes a home from a backup.
pub(crate) fn run(globals: &Globals, args: RestoreArgs) -> anyhow::Result<()> {
    logging::start(globals, "warn")?;
    let (home, database) = on_this_machine(globals)?;
    super::one_thread()?.block_on(restore(&home, database, args))
}

async fn restore(home: &Home, database: Option<PostgresUrl>, args: RestoreArgs) -> anyhow::Result<()> {
    let restore = Restore {
        file: &args.file,
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
    print(&args.file, &manifest, args.json)?;
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
