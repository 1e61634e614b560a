use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::{
    SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr, SqliteConnection};

use super::row::{Found, Row};
use super::value::{Value, encode};
use super::{Insert, Part, migrate};
use crate::{Cause, Error, Result};

/// Connections that read at once.
const READERS: u32 = 4;
/// How long a writer waits for a lock that another program holds.
const BUSY: Duration = Duration::from_secs(5);
/// How long our own callers wait for each other; longer than one of them can wait for a lock.
const QUEUE: Duration = Duration::from_secs(15);
/// Takes the write lock at once, not at the first write.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Times that the lock is asked for before it counts as held by another program, and the pause in between.
const PROBES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(40);

/// One SQLite file: one connection that writes, a few that read.
#[derive(Debug)]
pub(crate) struct Sqlite {
    name: &'static str,
    path: PathBuf,
    file: FileId,
    writer: SqlitePool,
    readers: SqlitePool,
    /// Takes a lock and gives it back, to see whether writing would work; waits for nobody.
    probe: SqlitePool,
    /// Counts up when we take the write lock and when we give it back: odd while it is ours.
    holds: AtomicU64,
    /// What the last write met.
    last: Mutex<Option<Cause>>,
}

/// Identifies the opened file: a path can come to mean another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// A transaction that holds the write lock. Dropped without [`commit`](Self::commit), it leaves no trace.
pub(crate) struct Write<'d> {
    transaction: sqlx::Transaction<'static, sqlx::Sqlite>,
    hold: Hold<'d>,
}

/// A transaction that only reads.
pub(crate) struct Read<'d> {
    transaction: sqlx::Transaction<'static, sqlx::Sqlite>,
    database: &'d Sqlite,
}

/// Says that the write lock is ours for as long as it lives.
struct Hold<'d>(&'d Sqlite);

// === impl Sqlite ===

impl Sqlite {
    /// Opens the file of a part in `dir`, creating it for the owner only, and brings its tables up to date.
    pub(super) async fn open(dir: &Path, part: Part) -> Result<Self> {
        let name = part.file();
        let path = dir.join(name);
        let io_error =
            |error: io::Error| Error::new(name, Cause::of_io(&error), format!("{}: {error}", path.display()));
        create(&path).map_err(io_error)?;
        let file = FileId::of(&path).map_err(io_error)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit must outlive a power cut: spool segments are reused and answers are given after it.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let sqlx_error = |error: sqlx::Error| Error::from_sqlx(name, &error);
        let mut writing = options.clone().busy_timeout(BUSY);
        if is_empty(&path) {
            // What housekeeping frees can go back to the disk step by step. A file that has tables keeps what it was made with.
            writing = writing.auto_vacuum(SqliteAutoVacuum::Incremental);
        }
        let writer = pool(1).connect_with(writing).await.map_err(sqlx_error)?;
        part.sqlite_migrations().run(&writer).await.map_err(|error| migrate::failure(name, &error))?;
        let readers = pool(READERS).connect_lazy_with(options.clone().busy_timeout(BUSY).read_only(true));
        let probe = pool(1).connect_lazy_with(options.busy_timeout(Duration::ZERO));
        Ok(Self { name, path, file, writer, readers, probe, holds: AtomicU64::new(0), last: Mutex::new(None) })
    }

    pub(super) async fn fetch(&self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>> {
        self.check_file()?;
        let arguments: SqliteArguments = encode(args).map_err(|error| self.error(&error))?;
        let rows = sqlx::query_with(sql, arguments).fetch_all(&self.readers).await;
        self.rows(rows)
    }

    /// Begins to read as of one moment.
    pub(super) async fn read(&self) -> Result<Read<'_>> {
        self.check_file()?;
        let transaction = self.readers.begin().await.map_err(|error| self.error(&error))?;
        Ok(Read { transaction, database: self })
    }

    fn rows(&self, rows: sqlx::Result<Vec<SqliteRow>>) -> Result<Vec<Row>> {
        let rows = rows.map_err(|error| self.error(&error))?;
        Ok(rows.into_iter().map(|row| Row { database: self.name, found: Found::Sqlite(row) }).collect())
    }

    /// Begins a transaction that holds the write lock.
    pub(super) async fn write(&self) -> Result<Write<'_>> {
        self.check_file()?;
        let transaction = self.begin().await.map_err(|error| self.error(&error))?;
        Ok(Write { transaction, hold: Hold::take(self) })
    }

    async fn begin(&self) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        match self.writer.begin_with(BEGIN).await {
            // SQLite gives up a transaction by itself when the disk is full or fails. sqlx does not learn of it, and would
            // count the transaction as open for ever: only another connection writes again.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                self.writer.begin_with(BEGIN).await
            }
            begun => begun,
        }
    }

    /// Names the database in an error, and remembers the trouble for [`health`](Self::health).
    pub(crate) fn error(&self, error: &sqlx::Error) -> Error {
        let error = match self.check_file() {
            Ok(()) => Error::from_sqlx(self.name, error),
            Err(gone) => gone,
        };
        if error.is_outage() {
            *self.last.lock() = Some(error.cause);
        }
        error
    }

    /// Whether a write would work now; none if so. Takes a fraction of a second at most, whatever we are writing.
    pub(super) async fn health(&self) -> Option<Cause> {
        if let Err(error) = self.check_file() {
            return Some(error.cause);
        }
        let before = self.holds.load(Ordering::Acquire);
        for _ in 0..PROBES {
            if self.holds.load(Ordering::Acquire) % 2 == 1 {
                // The lock is ours; what the disk thinks of that, the last write knows.
                return self.last.lock().filter(|cause| *cause != Cause::Locked);
            }
            match self.probe().await {
                None => return self.note(None),
                Some(Cause::Locked) => {}
                Some(cause) => return Some(cause),
            }
            // It may be one of our own writes that is being given up.
            tokio::time::sleep(PAUSE).await;
        }
        let is_foreign = self.holds.load(Ordering::Acquire) == before;
        if is_foreign { Some(Cause::Locked) } else { *self.last.lock() }
    }

    async fn probe(&self) -> Option<Cause> {
        let error = match self.probe.begin_with(BEGIN).await {
            Ok(transaction) => transaction.rollback().await.err(),
            Err(error) => Some(error),
        };
        error.map(|error| Error::from_sqlx(self.name, &error).cause)
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) async fn close(&self) {
        self.probe.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    fn note(&self, cause: Option<Cause>) -> Option<Cause> {
        *self.last.lock() = cause;
        cause
    }

    /// Refuses to go on with a file that the path no longer leads to: its contents would be lost.
    fn check_file(&self) -> Result<()> {
        match FileId::of(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(Error::new(self.name, Cause::Gone, format!("{} is another file now", self.path.display()))),
            Err(error) => Err(Error::new(self.name, Cause::Gone, format!("{}: {error}", self.path.display()))),
        }
    }
}

// === impl Read ===

impl Read<'_> {
    pub(super) async fn fetch(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>> {
        let arguments: SqliteArguments = encode(args).map_err(|error| self.database.error(&error))?;
        let rows = sqlx::query_with(sql, arguments).fetch_all(&mut *self.transaction).await;
        self.database.rows(rows)
    }
}

// === impl Write ===

impl Write<'_> {
    /// Where statements are executed that are SQLite's own.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    pub(super) async fn fetch(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>> {
        let arguments: SqliteArguments = encode(args).map_err(|error| self.error(&error))?;
        let rows = sqlx::query_with(sql, arguments).fetch_all(&mut *self.transaction).await;
        self.hold.0.rows(rows)
    }

    pub(super) async fn execute(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<u64> {
        let arguments: SqliteArguments = encode(args).map_err(|error| self.error(&error))?;
        let done = sqlx::query_with(sql, arguments).execute(&mut *self.transaction).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.error(&error))
    }

    /// Row by row: the statement stays prepared, and many places in one take SQLite longer.
    pub(super) async fn insert_all<const N: usize>(&mut self, insert: &Insert, rows: &[[Value<'_>; N]]) -> Result<()> {
        let places = vec!["?"; N].join(", ");
        let sql = AssertSqlSafe(format!("{} VALUES ({places}) {}", insert.head, insert.tail)).into_sql_str();
        for row in rows {
            self.execute(sql.clone(), row).await?;
        }
        Ok(())
    }

    pub(super) const fn name(&self) -> &'static str {
        self.hold.0.name
    }

    /// Names the database in an error.
    pub(crate) fn error(&self, error: &sqlx::Error) -> Error {
        self.hold.0.error(error)
    }

    /// Makes it last.
    pub(super) async fn commit(self) -> Result<()> {
        let Self { transaction, hold } = self;
        let database = hold.0;
        database.check_file()?;
        transaction.commit().await.map_err(|error| database.error(&error))?;
        // Deleted in between: the commit went to a file without a name.
        database.check_file()?;
        database.note(None);
        Ok(())
    }
}

// === impl Hold ===

impl<'d> Hold<'d> {
    fn take(database: &'d Sqlite) -> Self {
        database.holds.fetch_add(1, Ordering::AcqRel);
        Self(database)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.holds.fetch_add(1, Ordering::AcqRel);
    }
}

// === impl FileId ===

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Creates the file for the owner only; SQLite gives its side files the same mode.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0)
}

/// A pool that keeps its connections: a new one could meet another file under the same name.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(QUEUE).idle_timeout(None).max_lifetime(None)
}

#[cfg(test)]
mod tests;
