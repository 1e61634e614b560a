use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::{Clock, Rng};
use archive::{Manifest, Passphrase};
use ledger::drain::Drain;
use ledger::{Books, Options};
use store::{CopyPart, Load, Location, PostgresUrl, Store};
use tokio::sync::mpsc;

use super::fill::{Batch, Fill, WAITING};
use super::mark::{self, Outcome};
use super::place::Scratch;
use super::transfer::transfer;
use super::{About, BackupError, Doing, Progress, Step};
use crate::fault_points::FaultPoint;
use crate::home::{Holder, HomeLock};
use crate::{FaultPoints, Home};

/// A table that is not restored: how far spools were drained that no longer are.
const LEFT_OUT: (CopyPart, &str) = (CopyPart::Ledger, "positions");

/// What is to be restored, and where to.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The backup.
    pub file: &'a Path,
    /// What it is encrypted with, if it is.
    pub passphrase: Option<Arc<Passphrase>>,
    /// The home: absent or empty.
    pub home: &'a Path,
    /// The database that the store is restored into; none restores it into the home.
    pub database: Option<PostgresUrl>,
    /// Whether a home or a database that is not empty is set aside, under another name.
    pub set_aside: bool,
    /// Time of day.
    pub clock: Clock,
    /// Where names come from.
    pub rng: Rng,
    /// Where it is told how far it is.
    pub progress: Progress,
    /// Where a test lets the process die.
    pub fault_points: FaultPoints,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest<About>,
    /// Requests that ran when it was made; they are in the books as interrupted.
    pub interrupted: usize,
    /// Where what was there before is now.
    pub set_aside: Option<PathBuf>,
    /// What schemas of the database are called now that were there before.
    pub schemas: Vec<String>,
}

/// Reads a backup to its end; what it holds, if every byte is as it was written.
pub fn verify(file: &Path, passphrase: Option<&Passphrase>) -> Result<Manifest<About>, BackupError> {
    let input = File::open(file).map_err(BackupError::io("open", file))?;
    Ok(archive::read(input, passphrase, |_| Ok::<_, archive::Error>(()))?)
}

// === impl Restore ===

impl Restore<'_> {
    /// Restores the backup whole, or touches nothing: it is read to its end first, then unpacked beside the home, and
    /// only what is complete takes the home's place.
    pub async fn run(self) -> Result<Restored, BackupError> {
        let manifest = verify(self.file, self.passphrase.as_deref())?;
        let aside = self.aside().await?;
        let _lock = self.check_target(aside.is_some())?;
        let load = match &self.database {
            Some(url) => Some((url, self.begin_load(url).await?)),
            None => None,
        };
        let scratch = Scratch::beside(self.home, &self.rng)?;
        let home = Home::create(scratch.path())?;
        // The containers of the home that is replaced are its own. Those of the home that was backed up are not, where it is another one:
        // it may still run.
        let own = Home::at(self.home).kept_instance().map_err(BackupError::io("read", self.home))?;
        home.instance(own, &self.rng)?;
        self.unpack(scratch.path(), &manifest).await?;
        let interrupted = self.settle_books(scratch.path()).await?;
        let (set_aside, schemas) = match load {
            None => (scratch.put_in_place(self.home, aside.as_deref())?.set_aside, Vec::new()),
            Some((url, load)) => self.fill(url, load, scratch, aside.as_deref()).await?,
        };
        Ok(Restored { manifest, interrupted, set_aside, schemas })
    }

    /// What a home is called that is in the way; none if there must be none. What a restore that was cut off has left is no
    /// home, but kept all the same: it may have been meant for another database.
    async fn aside(&self) -> Result<Option<String>, BackupError> {
        let is_left = match mark::look(&Home::at(self.home), self.database.as_ref()).await? {
            Outcome::None => false,
            Outcome::Whole => return Err(BackupError::WasWhole(self.home.to_owned())),
            Outcome::Nothing => true,
        };
        Ok((self.set_aside || is_left).then(|| format!("before-restore-{}", self.clock.now().as_secs())))
    }

    /// Looks whether the home can be taken; keeps others away from one that is set aside.
    fn check_target(&self, sets_aside: bool) -> Result<Option<HomeLock>, BackupError> {
        let is_empty = match fs::read_dir(self.home) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(BackupError::io("list", self.home)(error)),
        };
        match (is_empty, sets_aside) {
            (true, _) => Ok(None),
            (false, false) => Err(BackupError::NotEmpty(self.home.to_owned())),
            (false, true) => Ok(Some(Home::create(self.home)?.lock(Holder::Command)?)),
        }
    }

    /// Sees whether the database can be taken, before anything else takes its time; keeps other managers away from it.
    async fn begin_load(&self, url: &PostgresUrl) -> Result<Load, BackupError> {
        let aside = format!("before_restore_{}", self.clock.now().as_secs());
        let aside = self.set_aside.then_some(aside.as_str());
        Ok(Load::begin(&Location::Postgres(url.clone()), CopyPart::newest, aside).await?)
    }

    /// Puts what was unpacked into the database and the home into its place; where what was there before is now, and the
    /// schemas of the database that were there before.
    async fn fill(
        &self,
        url: &PostgresUrl,
        mut load: Load,
        scratch: Scratch,
        aside: Option<&str>,
    ) -> Result<(Option<PathBuf>, Vec<String>), BackupError> {
        transfer(scratch.path(), &mut load, &self.progress).await?;
        let (mark, schemas) = (hex::encode(self.rng.bytes::<16>()), load.set_aside().to_vec());
        Home::at(scratch.path()).set_store_elsewhere()?;
        mark::write(scratch.path(), &mark).map_err(BackupError::io("write to", scratch.path()))?;
        let placed = scratch.put_in_place(self.home, aside)?;
        self.fault_points.reach(FaultPoint::RestorePlaced);
        if let Err(error) = load.finish(&mark).await {
            match url.has_mark(&mark).await {
                Ok(true) => {}
                Ok(false) => {
                    placed.undo(&self.rng);
                    return Err(error.into());
                }
                Err(error) => return Err(BackupError::Doubtful(error)),
            }
        }
        self.fault_points.reach(FaultPoint::RestoreFilled);
        mark::remove(&Home::at(self.home), url).await;
        Ok((placed.set_aside, schemas))
    }

    /// Fills the folder `into`; the file must still be the one that was read before.
    async fn unpack(&self, into: &Path, expected: &Manifest<About>) -> Result<(), BackupError> {
        let versions =
            |part| expected.about.databases.get(&part).map_or_else(Vec::new, |about| about.migrations.clone());
        let mut load = Load::begin(&Location::Home(into.to_owned()), versions, None).await?;
        let mut done = BTreeMap::<(CopyPart, String), u64>::new();
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let input = File::open(self.file).map_err(BackupError::io("open", self.file))?;
        let (fill, passphrase) = (Fill { home: into.to_owned(), rows: sender }, self.passphrase.clone());
        // Reading blocks; the rows come here, to a database that does not.
        let reading = tokio::task::spawn_blocking(move || -> Result<Manifest<About>, BackupError> {
            archive::read(input, passphrase.as_deref(), |part| fill.take(part))
        });
        while let Some(Batch { part, table, rows }) = receiver.recv().await {
            if (part, table.name.as_str()) != LEFT_OUT {
                load.insert(part, &table, &rows).await?;
                let of = expected.about.databases.get(&part).and_then(|about| about.tables.get(&table.name));
                let count = done.entry((part, table.name.clone())).or_default();
                let before = *count;
                *count += rows.len() as u64;
                let step =
                    Step { doing: Doing::Unpacking, part, table: &table.name, before, rows: *count, of: of.copied() };
                self.progress.tell(&step);
            }
        }
        let read = reading.await.map_err(|error| BackupError::Books(error.to_string()))??;
        if read != *expected {
            return Err(archive::Error::Damaged("it was changed while it was read".to_owned()).into());
        }
        Ok(load.finish("").await?)
    }

    /// Takes what the spools hold into the books, and leaves them behind; how many requests were running.
    async fn settle_books(&self, home: &Path) -> Result<usize, BackupError> {
        let store = Store::open(home).await?;
        let (spool, mut interrupted) = (home.join("spool"), 0);
        for entry in fs::read_dir(&spool).map_err(BackupError::io("list", &spool))? {
            let folder = entry.map_err(BackupError::io("list", &spool))?.path();
            interrupted += self.close_books(&folder)?;
            let mut drain = Drain::new(&folder, store.events(), self.clock.clone());
            drain.catch_up().await.map_err(|error| BackupError::Books(error.to_string()))?;
            fs::remove_dir_all(&folder).map_err(BackupError::io("remove", &folder))?;
        }
        store.close().await;
        Ok(interrupted)
    }

    /// Closes what was open in the books, as after a crash.
    fn close_books(&self, folder: &Path) -> Result<usize, BackupError> {
        let lengths = fs::read_dir(folder).map_err(BackupError::io("list", folder))?;
        let lengths = lengths.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
        let segment_bytes = lengths.max().unwrap_or(0).max(Options::default().segment_bytes);
        let options = Options { segment_bytes, segments: 2, is_copy: true, ..Options::default() };
        let opened = Books::open(folder, options, self.clock.clone(), &self.rng);
        let (books, recovered) = opened.map_err(|error| BackupError::Books(error.to_string()))?;
        drop(books);
        Ok(recovered.interrupted)
    }
}
