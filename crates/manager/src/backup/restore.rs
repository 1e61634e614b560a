use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::{Clock, Rng};
use archive::{Manifest, Passphrase};
use ledger::drain::Drain;
use ledger::{Books, Options};
use store::{CopyPart, Load, Store};
use tokio::sync::mpsc;

use super::fill::{Batch, Fill, WAITING};
use super::{About, BackupError};
use crate::Home;
use crate::home::{Holder, HomeLock};

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
    /// Whether a home that is not empty is set aside, under another name.
    pub set_aside: bool,
    /// Time of day.
    pub clock: Clock,
    /// Where names come from.
    pub rng: Rng,
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
}

/// A folder that goes unless it is kept.
struct Scratch(Option<PathBuf>);

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
        let _lock = self.check_target()?;
        let scratch = Scratch::beside(self.home, &self.rng)?;
        Home::create(scratch.path())?;
        self.unpack(scratch.path(), &manifest).await?;
        let interrupted = self.settle_books(scratch.path()).await?;
        let set_aside = self.put_in_place(scratch)?;
        Ok(Restored { manifest, interrupted, set_aside })
    }

    /// Looks whether the home can be taken; keeps others away from one that is set aside.
    fn check_target(&self) -> Result<Option<HomeLock>, BackupError> {
        let is_empty = match fs::read_dir(self.home) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(BackupError::io("list", self.home)(error)),
        };
        match (is_empty, self.set_aside) {
            (true, _) => Ok(None),
            (false, false) => Err(BackupError::NotEmpty(self.home.to_owned())),
            (false, true) => Ok(Some(Home::create(self.home)?.lock(Holder::Command)?)),
        }
    }

    /// Fills the folder `into`; the file must still be the one that was read before.
    async fn unpack(&self, into: &Path, expected: &Manifest<About>) -> Result<(), BackupError> {
        let versions =
            |part| expected.about.databases.get(&part).map_or_else(Vec::new, |about| about.migrations.clone());
        let mut load = Load::begin(into, versions).await?;
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
            }
        }
        let read = reading.await.map_err(|error| BackupError::Books(error.to_string()))??;
        if read != *expected {
            return Err(archive::Error::Damaged("it was changed while it was read".to_owned()).into());
        }
        Ok(load.finish().await?)
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
        let options = Options { segment_bytes, segments: 2, ..Options::default() };
        let opened = Books::open(folder, options, self.clock.clone(), &self.rng);
        let (books, recovered) = opened.map_err(|error| BackupError::Books(error.to_string()))?;
        drop(books);
        Ok(recovered.interrupted)
    }

    fn put_in_place(&self, scratch: Scratch) -> Result<Option<PathBuf>, BackupError> {
        let path = scratch.path().to_owned();
        sync_folder(&path).map_err(BackupError::io("force to the disk", &path))?;
        let set_aside = match fs::rename(&path, self.home) {
            // An empty folder is replaced.
            Ok(()) => None,
            Err(_) if self.set_aside && self.home.is_dir() => {
                let aside = beside(self.home, &format!("before-restore-{}", self.clock.now().as_secs()));
                fs::rename(self.home, &aside).map_err(BackupError::io("set aside", self.home))?;
                if let Err(error) = fs::rename(&path, self.home) {
                    // Back to where it was.
                    let _ = fs::rename(&aside, self.home);
                    return Err(BackupError::io("make", self.home)(error));
                }
                Some(aside)
            }
            Err(error) => return Err(BackupError::io("make", self.home)(error)),
        };
        scratch.keep();
        let parent = self.home.parent().unwrap_or(self.home);
        sync_folder(parent).map_err(BackupError::io("force to the disk", parent))?;
        Ok(set_aside)
    }
}

// === impl Scratch ===

impl Scratch {
    /// A folder beside `home`, on the same disk, for its owner only.
    fn beside(home: &Path, rng: &Rng) -> Result<Self, BackupError> {
        let path = beside(home, &format!("restore-{}", hex::encode(rng.bytes::<4>())));
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(BackupError::io("make", parent))?;
        DirBuilder::new().mode(0o700).create(&path).map_err(BackupError::io("make", &path))?;
        Ok(Self(Some(path)))
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_dir_all(path)
        {
            tracing::warn!(path = %path.display(), %error, "what was unpacked of the backup is left there; remove it");
        }
    }
}

/// `<home>.<word>`.
fn beside(home: &Path, word: &str) -> PathBuf {
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{word}"));
    home.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
