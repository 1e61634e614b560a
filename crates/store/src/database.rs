use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

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
pub(crate) struct Database {
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

/// Says that the write lock is ours for as long as it lives.
struct Hold<'d>(&'d Database);

// === impl Database ===

impl Database {
    /// Opens `dir/name`, creating it for the owner only, and brings its tables up to date.
    pub(crate) async fn open(dir: &Path, name: &'static str, migrations: &Migrator) -> Result<Self> {
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
        migrations.run(&writer).await.map_err(|error| migrate_error(name, &error))?;
        let readers = pool(READERS).connect_lazy_with(options.clone().busy_timeout(BUSY).read_only(true));
        let probe = pool(1).connect_lazy_with(options.busy_timeout(Duration::ZERO));
        Ok(Self { name, path, file, writer, readers, probe, holds: AtomicU64::new(0), last: Mutex::new(None) })
    }

    /// Connections for reading.
    pub(crate) fn read(&self) -> Result<&SqlitePool> {
        self.check_file()?;
        Ok(&self.readers)
    }

    /// Begins a transaction that holds the write lock.
    pub(crate) async fn write(&self) -> Result<Write<'_>> {
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
    pub(crate) async fn health(&self) -> Option<Cause> {
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

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) async fn close(&self) {
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

// === impl Write ===

impl Write<'_> {
    /// Where statements are executed.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Names the database in an error.
    pub(crate) fn error(&self, error: &sqlx::Error) -> Error {
        self.hold.0.error(error)
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<()> {
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
    fn take(database: &'d Database) -> Self {
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
fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0)
}

/// A pool that keeps its connections: a new one could meet another file under the same name.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(QUEUE).idle_timeout(None).max_lifetime(None)
}

fn migrate_error(name: &'static str, error: &sqlx::migrate::MigrateError) -> Error {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => Error::from_sqlx(name, error),
        other => Error::new(name, Cause::Other, format!("cannot bring the tables up to date: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sqlx::Connection as _;
    use sqlx::sqlite::SqliteConnection;

    use crate::testing::store;
    use crate::{Cause, Problem, Store};

    async fn intruder(path: &std::path::Path) -> SqliteConnection {
        SqliteConnection::connect(path.to_str().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn files_are_for_the_owner_only() {
        let (home, store) = store().await;
        store.settings().set("a", Some("1")).await.unwrap();
        for name in ["enginehouse.db", "enginehouse.db-wal", "ledger.db"] {
            let mode = std::fs::metadata(home.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn a_transaction_that_is_not_committed_leaves_no_trace() {
        let (home, store) = store().await;
        let mut write = store.main.write().await.unwrap();
        sqlx::query("INSERT INTO settings (name, value) VALUES ('a', '1')").execute(write.connection()).await.unwrap();
        drop(write);
        assert_eq!(store.settings().get("a").await.unwrap(), None);
        store.settings().set("b", Some("2")).await.unwrap();
        drop(store);
        let store = Store::open(home.path()).await.unwrap();
        assert_eq!(store.settings().get("a").await.unwrap(), None);
        assert_eq!(store.settings().get("b").await.unwrap().as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn writing_goes_on_after_a_full_disk() {
        let (_home, store) = store().await;
        for _ in 0..2 {
            let mut write = store.main.write().await.unwrap();
            // Full as far as this connection knows.
            sqlx::query("PRAGMA max_page_count = 1").execute(write.connection()).await.unwrap();
            let insert = sqlx::query("INSERT INTO settings (name, value) VALUES ('a', $1)").bind("x".repeat(1 << 20));
            let error = insert.execute(write.connection()).await.unwrap_err();
            assert_eq!(write.error(&error).cause, Cause::Full);
            drop(write);
            store.settings().set("b", Some("2")).await.unwrap();
            assert_eq!(store.settings().get("a").await.unwrap(), None, "it left no trace");
        }
        assert!(store.health().await.is_well());
    }

    #[tokio::test]
    async fn a_lock_is_noticed_and_heals_by_itself() {
        let (home, store) = store().await;
        assert!(store.health().await.is_well());
        let mut intruder = intruder(&home.path().join("ledger.db")).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut intruder).await.unwrap();
        assert_eq!(store.health().await.problems, [Problem { database: "ledger.db", cause: Cause::Locked }]);
        sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
        assert!(store.health().await.is_well());
    }

    #[tokio::test]
    async fn a_write_waits_for_a_lock_and_then_says_that_it_is_locked() {
        let (home, store) = store().await;
        let mut intruder = intruder(&home.path().join("enginehouse.db")).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut intruder).await.unwrap();
        let error = store.settings().set("a", Some("1")).await.unwrap_err();
        assert_eq!((error.database, error.cause), ("enginehouse.db", Cause::Locked));
        assert_eq!(store.settings().get("a").await.unwrap(), None, "reading goes on");
        sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
        store.settings().set("a", Some("1")).await.unwrap();
    }

    #[tokio::test]
    async fn a_deleted_file_refuses_writes_until_it_is_back() {
        let (home, store) = store().await;
        let (path, aside) = (home.path().join("enginehouse.db"), home.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        assert_eq!(store.settings().set("a", Some("1")).await.unwrap_err().cause, Cause::Gone);
        assert_eq!(store.health().await.problems, [Problem { database: "enginehouse.db", cause: Cause::Gone }]);
        std::fs::write(&path, "").unwrap();
        assert_eq!(store.settings().set("a", Some("1")).await.unwrap_err().cause, Cause::Gone, "replaced");
        std::fs::rename(&aside, &path).unwrap();
        store.settings().set("a", Some("1")).await.unwrap();
        assert!(store.health().await.is_well());
    }

    #[tokio::test]
    async fn a_lock_is_noticed_while_a_write_of_ours_waits_for_it() {
        let (home, store) = store().await;
        let mut intruder = intruder(&home.path().join("ledger.db")).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut intruder).await.unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { drop(store.ledger.write().await) }
        });
        while store.ledger.writer.num_idle() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.health().await.problems, [Problem { database: "ledger.db", cause: Cause::Locked }]);
        assert!(!waiting.is_finished(), "noticed at once");
        sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
        waiting.await.unwrap();
        assert!(store.health().await.is_well());
    }

    #[tokio::test]
    async fn opening_needs_no_write_lock() {
        let (home, store) = store().await;
        store.close().await;
        let mut intruder = intruder(&home.path().join("ledger.db")).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut intruder).await.unwrap();
        let store = Store::open(home.path()).await.unwrap();
        assert_eq!(store.events().spend().await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn our_own_writes_do_not_look_like_trouble() {
        let (_home, store) = store().await;
        let write = store.main.write().await.unwrap();
        assert!(store.health().await.is_well());
        drop(write);
    }
}
