use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ambient::{Clock, Rng};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use manager::PostgresUrl;
use manager::backup::{self, Create, Manifest, Passphrase};

use super::restore::RestoreArgs;
use crate::cli::Globals;
use crate::exit::UsageError;
use crate::home::Home;
use crate::{database, logging, output, secret_env};

mod progress;
mod show;

pub(super) use progress::told;
pub(super) use show::print;

const EXAMPLES: &str = "\
Examples:
  enginehouse backup create --passphrase-file /root/backup.pass -o /backups/monday.backup
  enginehouse backup verify /backups/monday.backup --passphrase-file /root/backup.pass
  enginehouse restore /backups/monday.backup --passphrase-file /root/backup.pass

A backup is one file with everything: revisions, keys, books, secrets. It can be made while the service runs. It is made and
restored on the machine itself: with --server it does not work.

What it holds knows no database: it is read from and restored into the PostgreSQL that ENGINEHOUSE_DATABASE_URL names, or
the files of the home where that is not set. So a backup also moves a home from the one to the other.";

/// Verbs of `backup`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a backup of the home into one file
    #[command(
        after_help = "Example:\n  enginehouse backup create --passphrase-file /root/backup.pass -o /backups/monday.backup"
    )]
    Create(CreateArgs),
    /// Read a backup to its end, check every byte, and show what it holds
    #[command(after_help = "Example:\n  enginehouse backup verify /backups/monday.backup")]
    Verify(VerifyArgs),
    /// Make a home from a backup; the same as `enginehouse restore`
    #[command(after_help = "Example:\n  enginehouse backup restore /backups/monday.backup")]
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The file to write; must not be there yet [default: `enginehouse-MOMENT.backup`]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    lock: LockArgs,
    /// Print what it holds as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    lock: LockArgs,
    /// Print what it holds as JSON
    #[arg(long)]
    json: bool,
}

/// What a backup is encrypted with.
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    /// The passphrase that encrypts it, in this file [env: `ENGINEHOUSE_BACKUP_PASSPHRASE`,
    /// `ENGINEHOUSE_BACKUP_PASSPHRASE_FILE`]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Runs a verb.
pub(crate) fn run(globals: &Globals, args: BackupArgs) -> anyhow::Result<()> {
    match args.verb {
        Verb::Create(args) => {
            logging::start(globals, "warn")?;
            let (home, database) = on_this_machine(globals)?;
            super::one_thread()?.block_on(create(&home, database, args))
        }
        Verb::Verify(args) => {
            logging::start(globals, "warn")?;
            let manifest = backup::verify(&args.file, args.lock.passphrase()?.as_ref())?;
            print(&args.file, &manifest, args.json)
        }
        Verb::Restore(args) if args.has_file() => super::restore::run(globals, args),
        Verb::Restore(_) => Err(UsageError("name the backup: enginehouse backup restore FILE".to_owned()).into()),
    }
}

/// The home, and the database that has its store, if it does not have that itself; a server elsewhere has no part in this.
pub(super) fn on_this_machine(globals: &Globals) -> anyhow::Result<(Home, Option<PostgresUrl>)> {
    if globals.server.is_some() {
        bail!("backups hold every secret and do not go over the network: run this on the machine of the server");
    }
    let home = Home::resolve(globals)?;
    let database = database::from_environment(&home)?;
    Ok((home, database))
}

async fn create(home: &Home, database: Option<PostgresUrl>, args: CreateArgs) -> anyhow::Result<()> {
    if !home.exists() {
        bail!("there is no home at {}: name it with --home", home.path().display());
    }
    let passphrase = args.lock.passphrase()?;
    let clock = Clock::system();
    let path = args.output.unwrap_or_else(|| default_name(&clock));
    // As whoever types it: the home's owner may not write there.
    let part = path.with_added_extension("part");
    let file = begin(&path, &part)?;
    home.act_as_owner()?;
    let made = write(home, database, file, passphrase.as_ref(), clock).await;
    let done = made.and_then(|manifest| {
        fs::rename(&part, &path).with_context(|| format!("cannot name it {}", path.display()))?;
        Ok(manifest)
    });
    let manifest = done.inspect_err(|_| drop(fs::remove_file(&part)))?;
    if passphrase.is_none() {
        output::note(UNENCRYPTED);
    }
    print(&path, &manifest, args.json)
}

const UNENCRYPTED: &str = "\
warning: this backup is NOT encrypted. Whoever can read it has secret.key and all that it seals, and can come in with what
         it says of keys. Encrypt it with --passphrase-file, or keep it where nobody else gets.";

fn default_name(clock: &Clock) -> PathBuf {
    let moment: String = clock.now().to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    format!("enginehouse-{moment}Z.backup").into()
}

/// The file that becomes the backup once it is whole.
fn begin(path: &Path, part: &Path) -> anyhow::Result<fs::File> {
    if path.exists() {
        bail!("{} is there already; choose another name with -o", path.display());
    }
    let _ = fs::remove_file(part);
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
    opened.with_context(|| format!("cannot write {}", part.display()))
}

async fn write(
    home: &Home,
    database: Option<PostgresUrl>,
    file: fs::File,
    passphrase: Option<&Passphrase>,
    clock: Clock,
) -> anyhow::Result<Manifest<backup::About>> {
    let home = manager::Home::create(home.path())?;
    let out = io::BufWriter::with_capacity(1 << 20, file);
    let progress = told();
    let create = Create { home: &home, database, passphrase, clock, rng: Rng::system(), progress };
    let (mut out, manifest) = create.run(out).await?;
    out.flush().and_then(|()| out.get_ref().sync_all()).context("cannot force the backup to the disk")?;
    Ok(manifest)
}

// === impl LockArgs ===

impl LockArgs {
    /// The passphrase, if there is one.
    pub(super) fn passphrase(&self) -> anyhow::Result<Option<Passphrase>> {
        let text = match &self.passphrase_file {
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                Some(text.lines().next().unwrap_or_default().trim().to_owned())
            }
            None => secret_env::read("ENGINEHOUSE_BACKUP_PASSPHRASE")?.map(|secret| secret.expose().to_owned()),
        };
        Ok(text.map(Passphrase::new).transpose()?)
    }
}
