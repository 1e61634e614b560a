//! Everything of a home in one file, and back. Works on the files of the home and on its database, beside a running service
//! and without one: a backup holds every secret, so it is made on the machine and does not go through the admin API. What it
//! holds knows no database, so that one of SQLite can be restored into PostgreSQL, and the other way round.
//!
//! **What it holds** is the home as it was when its first byte was read, and nothing is torn: the spool of the gateway is
//! copied first, then the books, then the rest, each as it was at one moment. What was drained while the spool was copied is
//! in the books, and what is in both counts once, because events are known by their sequence.
//!
//! **A restore into PostgreSQL** is a restore into SQLite beside the home, whose tables then go over in one transaction. The
//! home takes its place before that commits, with a mark in a file (`restoring`); the transaction puts the same mark into the
//! database. So whoever finds that file can tell whether all is there or nothing is: [`settle`] is what every start asks.
//!
//! **A restored home** has a new gateway: the copied spool is drained into the books and left behind. So no sequence that
//! the books know is ever given away again, however much went on after the backup. Requests that ran are `interrupted`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use archive::Name;
use serde::{Deserialize, Serialize};
use store::{CopyPart, LoadError, Location, PostgresUrl, TableShape};

use crate::HomeError;

mod create;
mod fill;
mod mark;
mod place;
mod progress;
mod restore;
mod transfer;

pub use archive::{Manifest, Passphrase, UnfitPassphrase, is_sealed};
pub use create::Create;
pub use mark::Unfinished;
pub use progress::{Doing, Progress, Step};
pub use restore::{Restore, Restored, verify};

pub(crate) use mark::settle;

/// Files of the home that a backup holds; all others are made anew or are of no use elsewhere.
const FILES: [&str; 3] = ["config.json", "secret.key", "master.key"];
/// Bytes that each of these may have.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Bytes that some rows of a table have in a part, or a little more.
const ROWS_BYTES: usize = 4 << 20;
/// Bytes that such a part may have: one row can be large.
const MAX_ROWS_BYTES: u64 = 256 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Version of Enginehouse that made it.
    pub version: String,
    /// When, in RFC 3339.
    pub made_at: String,
    /// Number of the revision that applies; none before the first.
    pub revision: Option<u64>,
    /// Its digest.
    pub digest: Option<String>,
    /// What is in the databases.
    pub databases: BTreeMap<CopyPart, AboutPart>,
    /// Files of the spool that it holds.
    pub spool_files: usize,
    /// Other files that it holds.
    pub files: Vec<String>,
}

/// What is in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutPart {
    /// Which migrations made its tables.
    pub migrations: Vec<i64>,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
}

/// A backup could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is not what it should be, or cannot be written.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store cannot be read or filled.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What the backup holds does not fit.
    #[error("this backup cannot be restored: {0}")]
    Load(#[from] LoadError),
    /// The spool in it cannot be read.
    #[error("the books in this backup cannot be read: {0}")]
    Books(String),
    /// There is something already where it is to be restored to.
    #[error("{0} is not empty; restore to another home, or set this one aside with --force")]
    NotEmpty(PathBuf),
    /// A restore that was cut off had done all but its last step.
    #[error("the restore into {0} that was cut off had done everything but its last step, which is done now: start it")]
    WasWhole(PathBuf),
    /// The database did not say what became of the last step.
    #[error(
        "the database went away while it was made to last ({0}). Once it is back, start Enginehouse: it says whether all \
         is there, and if not, run the restore again"
    )]
    Doubtful(store::Error),
    /// The disk refused.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

// === impl BackupError ===

impl BackupError {
    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { action, path, error }
    }
}

impl From<archive::UnfitName> for BackupError {
    fn from(error: archive::UnfitName) -> Self {
        archive::Error::Hostile(error.to_string()).into()
    }
}

/// How rows begin in a part: the table that they are of.
#[derive(Serialize, Deserialize)]
struct Head {
    table: TableShape,
}

/// Where the store of a home is.
fn location(home: &Path, database: Option<PostgresUrl>) -> Location {
    database.map_or_else(|| Location::Home(home.to_owned()), Location::Postgres)
}

/// The name of a part with rows.
fn rows_name(part: CopyPart, table: &str, number: u32) -> Result<Name, BackupError> {
    Ok(Name::rows(part.as_str(), table, number)?)
}
